"""`demo-service`: what a demo host's steps call to start, stop or look at an application's service.

A program of its own on the standard library alone (it starts in a few milliseconds). The fleet does the work: it
must be the service's parent, so that the service outlives the SSH session and ends with the fleet.
"""

import argparse
import json
import os
import socket
import sys

OK, FAILED, USAGE = 0, 1, 2


def main() -> int:
    """Ask the fleet, print its answer."""
    arguments = _arguments()
    address = os.environ.get("DEMO_SERVICE_SOCKET", "")
    request = {
        "action": arguments.action,
        "host": os.environ.get("DEMO_HOST", ""),
        "application": arguments.application,
        "root": os.path.abspath(arguments.root) if arguments.root else "",
        "port": arguments.port,
    }
    try:
        answer = _ask(address, request)
    except OSError as error:
        sys.stderr.write(f"demo-service: the demo fleet does not answer at {address or 'no address'}: {error}\n")
        return FAILED
    (sys.stdout if answer["ok"] else sys.stderr).write(f"{answer['text']}\n")
    return OK if answer["ok"] else FAILED


def _arguments() -> argparse.Namespace:
    environment = os.environ
    parser = argparse.ArgumentParser(prog="demo-service", description="The service manager of a demo host.")
    parser.add_argument("action", choices=("restart", "stop", "status"))
    parser.add_argument("application", help="the application whose service is meant")
    parser.add_argument("--root", default=environment.get("DEPLOYER_ROOT", ""), help="the folder that holds current")
    port = environment.get("PORT") or environment.get("DEPLOYER_PORT") or "0"
    parser.add_argument("--port", type=int, default=port, help="the port on which the service shall listen")
    return parser.parse_args()


def _ask(address: str, request: dict[str, object]) -> dict[str, str]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(address)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as reader:
            line = reader.readline()
    if not line:
        raise ConnectionError("it hung up without an answer")
    answer: dict[str, str] = json.loads(line)
    return answer


if __name__ == "__main__":
    sys.exit(main())
