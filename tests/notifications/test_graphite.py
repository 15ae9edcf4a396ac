"""Deploy markers: posted as Graphite takes them, tried again, and never waited for."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from notifications import events, graphite
from tests.patience import eventually

FACTS = {"number": 7, "ref": "main", "revision": "6957bb87" + "0" * 32}
SHOP: dict[str, Any] = {"application": "shop", "environment": "staging", "deploy": 1, **FACTS}


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_deploy_is_marked_also_after_a_moment_without_graphite(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[tuple[str, dict[str, Any]]] = []
    answers = iter((503, 200, 400, 200))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(next(answers))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(graphite, "WAITS", (0.01,))
        settings.GRAPHITE_EVENTS = f"http://127.0.0.1:{server.server_port}/events/"
        events.record("deploy.requested", "ada", **SHOP)
        first = events.record("deploy.succeeded", "ada", **SHOP)
        events.record("deploy.failed", "ada", **SHOP, reason="It broke.")
        events.record("deploy.partial", "ada", **SHOP, reason="One host is missing.")
        eventually(lambda: len(got) == 4, what="Each marker arrives, the first at the second try")
        server.shutdown()
    assert got[0] == got[1]
    assert got[0] == (
        "/events/",
        {
            "what": "shop on staging: succeeded",
            "tags": ["deploy", "shop", "staging", "succeeded"],
            "when": first.at.timestamp(),
            "data": "#7 on shop / staging succeeded: main (6957bb87).",
        },
    )
    assert [marker["tags"][-1] for _, marker in got[2:]] == ["failed", "partial"]
