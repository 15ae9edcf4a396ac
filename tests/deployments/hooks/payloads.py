"""Payloads in the shapes that their senders document, about one commit; as much of them as says something."""

import hashlib
import hmac
import json
from typing import Any

Payload = dict[str, Any]
PERSON = {"name": "Ada", "email": "ada@example.org", "username": "ada"}


def pack(payload: Payload) -> bytes:
    return json.dumps(payload).encode()


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def github_repository() -> Payload:
    return {"id": 186853002, "name": "shop", "full_name": "acme/shop", "default_branch": "main", "private": True}


def push(revision: str, *, branch: str = "main") -> Payload:
    return {
        "ref": f"refs/heads/{branch}",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": revision,
        "created": False,
        "deleted": False,
        "forced": False,
        "commits": [{"id": revision, "message": "Change", "author": PERSON, "committer": PERSON}],
        "head_commit": {"id": revision, "message": "Change", "author": PERSON, "committer": PERSON},
        "repository": github_repository(),
        "pusher": {"name": "ada", "email": "ada@example.org"},
    }


def workflow_run(
    revision: str,
    *,
    branch: str = "main",
    conclusion: str | None = "success",
    name: str = "CI",
    at: str = "2026-11-01T10:05:00Z",
    number: int = 1,
) -> Payload:
    return {
        "action": "completed" if conclusion else "in_progress",
        "workflow_run": {
            "id": 289782451 + number,
            "name": name,
            "head_branch": branch,
            "head_sha": revision,
            "event": "push",
            "run_number": number,
            "run_attempt": 1,
            "status": "completed" if conclusion else "in_progress",
            "conclusion": conclusion,
            "html_url": f"https://github.com/acme/shop/actions/runs/{289782451 + number}",
            "created_at": "2026-11-01T10:00:00Z",
            "updated_at": at,
            "head_commit": {"id": revision, "message": "Change", "author": PERSON, "committer": PERSON},
            "head_repository": {"full_name": "acme/shop"},
        },
        "workflow": {"id": 1, "name": name, "path": ".github/workflows/ci.yml", "state": "active"},
        "repository": github_repository(),
    }


def check_suite(revision: str, *, branch: str | None = "main", conclusion: str | None = "success") -> Payload:
    return {
        "action": "completed" if conclusion else "requested",
        "check_suite": {
            "id": 118578147,
            "head_branch": branch,
            "head_sha": revision,
            "status": "completed" if conclusion else "queued",
            "conclusion": conclusion,
            "app": {"id": 29310, "slug": "linter", "name": "Linter"},
            "created_at": "2026-11-01T10:00:00Z",
            "updated_at": "2026-11-01T10:05:00Z",
            "head_commit": {"id": revision, "message": "Change", "author": PERSON, "committer": PERSON},
        },
        "repository": github_repository(),
    }
