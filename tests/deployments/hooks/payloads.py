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


def check_run(revision: str) -> Payload:
    return {
        "action": "completed",
        "check_run": {
            "id": 128620228,
            "name": "build",
            "head_sha": revision,
            "status": "completed",
            "conclusion": "neutral",
            "html_url": "https://github.com/acme/shop/runs/128620228",
            "started_at": "2026-11-01T10:00:00Z",
            "completed_at": "2026-11-01T10:04:00Z",
            "check_suite": {"id": 118578147, "head_branch": "main", "head_sha": revision, "status": "completed"},
            "app": {"id": 29310, "slug": "linter", "name": "Linter"},
        },
        "repository": github_repository(),
    }


def status(revision: str) -> Payload:
    return {
        "id": 6805126730,
        "sha": revision,
        "name": "acme/shop",
        "target_url": "https://ci.example.org/builds/7",
        "context": "ci/build",
        "description": "Built",
        "state": "failure",
        "branches": [{"name": "main", "commit": {"sha": revision}, "protected": False}],
        "created_at": "2026-11-01T10:04:00+00:00",
        "updated_at": "2026-11-01T10:04:00+00:00",
        "repository": github_repository(),
    }


def create(*, kind: str = "tag", ref: str = "v2") -> Payload:
    return {"ref": ref, "ref_type": kind, "master_branch": "main", "repository": github_repository()}


def release(*, tag: str = "v2", action: str = "published") -> Payload:
    return {"action": action, "release": {"tag_name": tag, "draft": False}, "repository": github_repository()}


def ping() -> Payload:
    return {"zen": "Keep it logically awesome.", "hook_id": 7, "hook": {"type": "Repository", "events": ["push"]}}


def deployment(revision: str) -> Payload:
    facts = {"id": 145988746, "sha": revision, "ref": "main", "task": "deploy", "environment": "production"}
    return {"deployment": facts, "repository": github_repository()}


def pull_request(revision: str) -> Payload:
    head = {"ref": "side", "sha": revision}
    return {"action": "opened", "number": 2, "pull_request": {"head": head, "base": {"ref": "main"}}}


def gitlab_push(revision: str, *, kind: str = "push", ref: str = "refs/heads/main") -> Payload:
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": "95790bf891e76fee5e1747ab589903a6a1f80f22",
        "after": revision if kind == "push" else "1" * 40,
        "ref": ref,
        "checkout_sha": revision,
        "user_name": "Ada",
        "project": {"id": 15, "path_with_namespace": "acme/shop", "default_branch": "main"},
        "commits": [{"id": revision, "message": "Change", "author": {"name": "Ada", "email": "ada@example.org"}}],
    }


def pipeline(revision: str, *, word: str = "success") -> Payload:
    return {
        "object_kind": "pipeline",
        "object_attributes": {
            "id": 31,
            "iid": 3,
            "name": None,
            "ref": "main",
            "tag": False,
            "sha": revision,
            "source": "push",
            "status": word,
            "created_at": "2026-11-01 10:00:00 UTC",
            "finished_at": "2026-11-01 10:05:00 UTC" if word == "success" else None,
            "url": "https://gitlab.example.org/acme/shop/-/pipelines/31",
        },
        "project": {"id": 15, "path_with_namespace": "acme/shop"},
    }


def merge_request(revision: str) -> Payload:
    return {"object_kind": "merge_request", "object_attributes": {"iid": 1, "last_commit": {"id": revision}}}


def forgejo_run(revision: str, event: str = "success") -> Payload:
    return {
        "action": event,
        "run": {
            "id": 12,
            "title": "Change",
            "workflow_id": "ci.yml",
            "prettyref": "main",
            "commit_sha": revision,
            "status": event,
            "stopped": "2026-11-01T11:05:00+01:00",
            "html_url": "https://forgejo.example.org/acme/shop/actions/runs/12",
        },
        "prior_status": "running",
    }


def jenkins(revision: str, *, phase: str = "FINALIZED", word: str = "SUCCESS") -> Payload:
    return {
        "name": "shop",
        "url": "job/shop/",
        "build": {
            "full_url": "https://jenkins.example.org/job/shop/18/",
            "number": 18,
            "queue_id": 1,
            "timestamp": 1793527500000,
            "phase": phase,
            "status": word,
            "url": "job/shop/18/",
            "scm": {"url": "https://git.example.org/shop.git", "branch": "origin/main", "commit": revision},
            "artifacts": {},
        },
    }
