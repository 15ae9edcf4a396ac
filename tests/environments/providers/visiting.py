"""What a browser does to sign in by a provider."""

from typing import Any
from urllib.parse import urlsplit

import httpx
from django.test import Client


def way_out(client: Client, to: str = "", name: str = "corp") -> str:
    """The address of the provider that the button leads to."""
    answer = client.get(f"/signin/with/{name}", {"next": to} if to else {})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def way_back(address: str, name: str = "zoe", password: str = "correct horse") -> str:
    """Fill in the form there; the address that it leads back to, without our own host."""
    with httpx.Client(trust_env=False) as browser:
        assert browser.get(address).status_code == 200
        answer = browser.post(address, data={"username": name, "password": password})
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.path}?{parts.query}"


def sign_in(client: Client, name: str = "zoe", to: str = "") -> Any:
    return client.get(way_back(way_out(client, to), name))
