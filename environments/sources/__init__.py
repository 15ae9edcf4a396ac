"""Sources of hosts: read on a schedule and before deploys, followed where that does no harm. docs/host-sources.md.

kinds/          one file for each kind: what it asks for, and how it reads
listing         what a source says
comparing       what would change, and whether that would do harm (pure)
following       which hosts are meant, and the writing
refreshing      the verbs that read and follow, or keep the last good list
keeping         the verbs that add, change and remove a source
"""
