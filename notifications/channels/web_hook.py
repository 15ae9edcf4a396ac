"""A POST to a program of one's own, signed as Standard Webhooks says (https://www.standardwebhooks.com), version 1.

Headers `webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature`: `v1,` and the base64 of
HMAC-SHA256 over `id.timestamp.body`. A secret `whsec_…` is the base64 of the key; any other text is the key itself.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping

from django.utils import timezone

from notifications.asking import Field, Told
from notifications.channels import posting
from notifications.channels.letters import Asked, Letter

LEAST_SECRET = 16
_PREFIX = "whsec_"
TOLD = Told(
    "web-hook",
    "Web hook",
    "A POST of JSON, with a signature, to a program of your own.",
    (
        Field("address", "Address", "Redirects are not followed.", placeholder="https://hooks.example.com/deploys"),
        Field(
            "secret",
            "Secret of the signature",
            f"At least {LEAST_SECRET} characters, which the program knows too. Kept sealed, shown nowhere.",
            "secret",
        ),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    problems: dict[str, str] = {}
    if problem := posting.check_address(asked.settings.get("address", "")):
        problems["address"] = problem
    if len(asked.secret) < LEAST_SECRET:
        problems["secret"] = f"The secret needs at least {LEAST_SECRET} characters, or anybody could guess it."
    elif asked.secret.startswith(_PREFIX) and not _key(asked.secret):
        problems["secret"] = f"What follows {_PREFIX} must be base64."
    return problems


def send(asked: Asked, letter: Letter) -> None:
    """Raises NotDelivered."""
    body = json.dumps(body_of(letter)).encode()
    at = str(int(timezone.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": letter.id,
        "webhook-timestamp": at,
        "webhook-signature": sign(asked.secret, letter.id, at, body),
    }
    posting.post(asked.settings.get("address", ""), body, headers)


def body_of(letter: Letter) -> dict[str, object]:
    data = {**letter.fields, "text": letter.text, "deploy": letter.deploy}
    return {"type": letter.word, "timestamp": letter.at.isoformat(), "data": data}


def sign(secret: str, letter_id: str, at: str, body: bytes) -> str:
    """The value of webhook-signature."""
    signed = hmac.new(_key(secret), b".".join((letter_id.encode(), at.encode(), body)), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _key(secret: str) -> bytes:
    """b"" for a `whsec_` that is no base64."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return b""
