"""A local server that speaks, as documented, the part of Slack's Web API that is used (chat.postMessage, .update)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

TOKEN = "xoxb-1234567890-abcdef"


@dataclass
class Slack:
    """Its one room `#releases` (C0RELEASES): messages by their time stamp, and what was asked of it."""

    address: str = ""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refuse: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)  # what it answers first

    def threads(self) -> list[tuple[str, list[str]]]:
        """Each message of the room with the texts in its thread."""
        return [
            (one["text"], [it["text"] for it in self.messages.values() if it.get("thread_ts") == stamp])
            for stamp, one in self.messages.items()
            if "thread_ts" not in one
        ]

    def answer(self, method: str, token: str, said: dict[str, Any]) -> dict[str, Any]:
        if token != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        if said["channel"] not in ("#releases", "C0RELEASES"):
            return {"ok": False, "error": "channel_not_found"}
        if method == "chat.update":
            if said["channel"] != "C0RELEASES":  # only an id is taken there
                return {"ok": False, "error": "channel_not_found"}
            if said["ts"] not in self.messages:
                return {"ok": False, "error": "message_not_found"}
            self.messages[said["ts"]]["text"] = said["text"]
            return {"ok": True, "channel": "C0RELEASES", "ts": said["ts"], "text": said["text"]}
        stamp = f"1700000000.{len(self.calls):06}"
        self.messages[stamp] = said
        return {"ok": True, "channel": "C0RELEASES", "ts": stamp, "message": {"text": said["text"]}}


@contextmanager
def speaking_slack() -> Iterator[Slack]:
    state = Slack()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.headers["Content-Type"].startswith("application/json"):
                said = json.loads(body)
            else:
                said = {name: values[0] for name, values in parse_qs(body).items()}
            method = self.path.rsplit("/", 1)[1]
            state.calls.append(method)
            status, headers, answer = 200, dict[str, str](), b""
            if state.refuse:
                status, headers, answer = state.refuse.pop(0)
            else:
                token = self.headers.get("Authorization", "")
                answer = json.dumps(state.answer(method, token, said)).encode()
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}/api/"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
