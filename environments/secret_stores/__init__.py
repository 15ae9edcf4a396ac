"""Secrets that lie elsewhere: where to ask for them, and the asking. A value refers to one; nothing here keeps it.

references      what a value says of a secret that lies elsewhere (pure)
commands        a program of the worker that prints them
vaults          Vault's KV v2 over HTTP; vault_http is one bounded request
kinds           both of them, by their word
holding         that a store is not removed while somebody refers to it
keeping         the verbs that add, change, test and remove a store
remembering     what they said for a release, sealed, so that each of its hosts gets the same
fetching        the asking: each store once for all that is wanted from it
"""
