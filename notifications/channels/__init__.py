"""Kinds of channels: one file each, with what it asks for, and how it sends.

letters     what every kind is given, and the errors by which it says what became of it
kinds       all of them, by their word
answers     what an answer over HTTP means
posting     a POST, for those who send one
irc         a room of IRC, with TLS or without
others      everything else, through Apprise, in a process of its own (notifications.apprise_program)
mail        by the installation's mail server
web_hook    a POST with a signature, to a program of one's own

Slack's is notifications.slack, which alone imports its package.
"""
