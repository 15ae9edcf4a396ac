"""Channels as they are set up: who may, what they are told, and how they are tried. What is sent is notifications'.

keeping     the verbs that add, change, test, resume and remove one
routing     which announcements go there, as people say it (pure)
"""
