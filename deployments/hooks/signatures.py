"""Whether something was signed by who shares a secret with us: on the bytes as they came, in constant time. Pure."""

import base64
import binascii
import hashlib
import hmac


def by_hmac(secret: str, body: bytes, shown: str, *, prefix: str = "") -> bool:
    """HMAC-SHA256 in hex, behind `prefix`. An empty secret signs nothing."""
    if not secret or not shown.startswith(prefix):
        return False
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), shown.removeprefix(prefix).encode())


def by_token(secret: str, shown: str) -> bool:
    """The secret itself, for those who cannot sign."""
    return bool(secret) and hmac.compare_digest(secret.encode(), shown.encode())


def password_of(authorization: str) -> str:
    """The password of `Authorization: Basic …`, or ""."""
    scheme, _, packed = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(packed.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
