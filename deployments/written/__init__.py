"""What is set up, written down: the same as a file that a person can read, keep in git, compare and apply.

`export` writes it, `plan` says what applying a file would change, `apply` does that by the verbs that the pages use.
One kind of thing is one file in `sections/`.
"""
