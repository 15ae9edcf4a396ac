"""Incoming hooks: who may send them, what they say, and what becomes of them on each target."""
