"""The test of a provider: what it says of itself, whether that is enough, and whether it takes our client."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from environments import access
from environments.models import SignInProvider, User
from environments.providers import discovery, flow
from environments.providers.discovery import ALGORITHMS, Metadata
from environments.providers.errors import NoAnswer, NotBelieved


@dataclass(frozen=True)
class Finding:
    """`tone`: ok, warn (people may come in all the same) or bad."""

    tone: str
    words: str


def try_out(provider: SignInProvider, *, by: User | None) -> list[Finding]:
    """Ask it now. How it went is noted. Raises NotAllowed, CannotOpen."""
    access.require(by, access.ADMINISTER)
    found: list[Finding] = []
    try:
        for one in _asked(provider):
            found.append(one)  # one by one: what was found before it fails stays
    except (NoAnswer, NotBelieved) as error:
        found.append(Finding("bad", str(error)))
    note(provider, " ".join(one.words for one in found if one.tone == "bad"))
    return found


def note(provider: SignInProvider, trouble: str) -> None:
    """How it went when it was asked."""
    SignInProvider.objects.filter(pk=provider.pk).update(asked_at=timezone.now(), trouble=trouble)


def _asked(provider: SignInProvider) -> Iterator[Finding]:
    metadata = discovery.discover(provider)
    yield Finding("ok", f"{provider.issuer} says where it is asked for what.")
    yield from judge(provider.scopes.split(), metadata)
    keys = discovery.read_keys(provider, metadata)
    yield Finding("ok", f"It has {len(keys)} key{'' if len(keys) == 1 else 's'} to sign with.")
    yield _client(provider, metadata)


def judge(scopes: list[str], metadata: Metadata) -> Iterator[Finding]:
    """Pure. What a provider does not tell of is taken as it should be."""
    if metadata.response_types and "code" not in metadata.response_types:
        yield Finding("bad", "It does not know the authorization code flow (response type code), the only one here.")
    if metadata.algorithms and not set(metadata.algorithms) & set(ALGORITHMS):
        yield Finding("bad", f"It signs by {', '.join(metadata.algorithms)}; one of {', '.join(ALGORITHMS)} is needed.")
    if metadata.pkce_methods and "S256" not in metadata.pkce_methods:
        yield Finding("warn", "It says nothing of PKCE by S256. It is sent all the same; codes are bound to us less.")
    unknown = [scope for scope in scopes if metadata.scopes and scope not in metadata.scopes]
    if unknown:
        yield Finding("warn", f"It does not list the scope{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}.")
    methods = metadata.token_methods
    if methods and not {"client_secret_basic", "client_secret_post", "none"} & set(methods):
        yield Finding("bad", f"It lets clients in by {', '.join(methods)} alone; a client secret is what we have.")
    if not metadata.end_session:
        yield Finding("warn", "It does not say how to sign out there: who signs out here stays signed in there.")


def _client(provider: SignInProvider, metadata: Metadata) -> Finding:
    """A code that nobody gave is refused for itself, unless the client is refused before it."""
    form = {
        "grant_type": "authorization_code",
        "code": secrets.token_urlsafe(16),
        "redirect_uri": flow.address_of(provider),
        "code_verifier": secrets.token_urlsafe(32),
    }
    answer = flow.ask_token(provider, metadata, form)
    error = answer.said.get("error")
    if error == "invalid_grant":
        return Finding("ok", "It takes our client id and secret.")
    if error in ("invalid_client", "unauthorized_client"):
        return Finding("bad", f"It does not take our client id and secret ({error}). Compare both with what it shows.")
    told = f" ({error[:60]})" if isinstance(error, str) and error.isprintable() else ""
    return Finding("warn", f"Whether it takes our client it did not say: it answers {answer.status}{told} to a try.")
