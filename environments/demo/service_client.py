"""`demo-service`: what a demo host's steps call to start, stop or look at an application's service.

A program of its own that loads next to nothing, so that it starts in some milliseconds: `socket`, `json` and `argparse`
would take three times as long as all that it does. The fleet does the work: it must be the service's parent, so that
the service outlives the SSH session and ends with the fleet.
"""

import _socket
import os
import sys

OK, FAILED, USAGE = 0, 1, 2
ANSWER_SECONDS = 60.0
ACTIONS = ("restart", "stop", "status")
USAGE_TEXT = f"usage: demo-service {{{','.join(ACTIONS)}}} APPLICATION [--root FOLDER] [--port PORT]\n"


def main() -> int:
    """Ask the fleet, print its answer."""
    environment = os.environ
    words = sys.argv[1:]
    options = {
        "--root": environment.get("DEPLOYER_ROOT", ""),
        "--port": environment.get("PORT") or environment.get("DEPLOYER_PORT") or "0",
    }
    while len(words) > 2 and words[-2] in options:
        options[words[-2]] = words[-1]
        del words[-2:]
    if len(words) != 2 or words[0] not in ACTIONS or not options["--port"].isdecimal():
        sys.stderr.write(USAGE_TEXT)
        return USAGE
    address = environment.get("DEMO_SERVICE_SOCKET", "")
    root = os.path.abspath(options["--root"]) if options["--root"] else ""
    request = (words[0], environment.get("DEMO_HOST", ""), words[1], root, options["--port"])
    try:
        done, text = _ask(address, request)
    except OSError as error:
        sys.stderr.write(f"demo-service: the demo fleet does not answer at {address or 'no address'}: {error}\n")
        return FAILED
    (sys.stdout if done else sys.stderr).write(f"{text}\n")
    return OK if done else FAILED


def _ask(address: str, request: tuple[str, ...]) -> tuple[bool, str]:
    """Words with a NUL between them and a newline at the end; back comes `ok` or `no`, a space, and a text."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(ANSWER_SECONDS)
    connection.connect(address)
    connection.sendall("\0".join(request).encode() + b"\n")
    answer = b""
    while data := connection.recv(65536):
        answer += data
    connection.close()
    if not answer:
        raise ConnectionError("it hung up without an answer")
    word, _, text = answer.decode().partition(" ")
    return word == "ok", text


if __name__ == "__main__":
    sys.exit(main())
