"""Kinds of channels: one file each, with what it asks for, and how it sends.

letters     what every kind is given, and the errors by which it says what became of it
kinds       all of them, by their word
web_hook    a POST with a signature, to a program of one's own
"""
