"""Who acts on the command line, for the audit trail."""

import getpass


def operator() -> str:
    """`name (command line)`: the account of the operating system, for there is no other proof of who it is."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        name = "someone"
    return f"{name} (command line)"[:150]
