"""Asking a Vault and a program: what is taken, and what each way of failing says."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.secret_stores import commands, vault_http, vaults
from environments.secret_stores.errors import NotFetched
from environments.secret_stores.references import Found, Reference
from environments.secret_stores.telling import Asked
from tests.environments.secret_stores.vault import ROLE, SECRET_ID, Token, Vault, serving
from tests.environments.sources.server import make_certificate
from tests.patience import eventually

CANARY = "canary-5Tr9-outside"
DATABASE = Reference("vault", "shop/database", "password")


@pytest.fixture(scope="module")
def shared() -> Iterator[Vault]:
    with serving() as vault:
        yield vault


@pytest.fixture
def vault(shared: Vault) -> Vault:
    """As new: the same server, with nothing in it."""
    shared.secrets, shared.tokens, shared.asked = {}, {shared.token: Token()}, []
    shared.sealed, shared.answers, shared.drips, shared.role_ttl = False, None, False, 3600
    shared.namespaces, shared.given, shared.raw = set(), [], b""
    shared.put("shop/database", password=CANARY, port=5432)
    return shared


def asked(vault: Vault, *, secret: str = "", **settings: str) -> Asked:
    return Asked({"address": vault.address, **settings}, secret or vault.token)


def refused(vault: Vault, reference: Reference = DATABASE, *, secret: str = "", **settings: str) -> str:
    with pytest.raises(NotFetched) as error:
        vaults.fetch(asked(vault, secret=secret, **settings), [reference])
    assert CANARY not in str(error.value)
    return str(error.value)


def test_a_secret_is_read_with_its_version_and_each_path_once(vault: Vault) -> None:
    vault.put("shop/database", password=CANARY + "2", port=5433)
    port, other = Reference("vault", "shop/database", "port"), Reference("vault", "a b/ü?c#d", "x")
    vault.put("a b/ü?c#d", x=True)
    found = vaults.fetch(asked(vault), [DATABASE, port, other])
    assert found == {DATABASE: Found(CANARY + "2", 2), port: Found("5433", 2), other: Found("true", 1)}
    assert vault.count("secret/data/shop/database") == 1
    assert CANARY not in repr(found)


def test_an_approle_signs_in_once_and_gives_its_token_back(vault: Vault) -> None:
    store = asked(vault, secret=SECRET_ID, role=ROLE, namespace="team-a")
    assert vaults.fetch(store, [DATABASE])[DATABASE].value == CANARY
    assert [path for _, path in vault.asked] == [
        "auth/approle/login", "secret/data/shop/database", "auth/token/revoke-self",
    ]  # fmt: skip
    assert vault.given[0] not in vault.tokens
    assert vault.namespaces == {"team-a"}
    assert "role id or secret id is wrong" in refused(vault, secret="another", role=ROLE)
    assert SECRET_ID not in repr(store)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (Reference("vault", "shop/nothing", "x"), "Nothing lies at shop/nothing"),
        (Reference("vault", "shop/database", "user"), "Nothing is called 'user' there; there is password, port."),
        (Reference("vault", "shop/../x", "x"), "is no path"),
        (Reference("vault", "shop/database"), "Say which key"),
        (Reference("vault", "", "x"), "Say the path"),
    ],
    ids=lambda value: value.path if isinstance(value, Reference) else "",
)
def test_what_is_not_there_is_told_by_its_name(vault: Vault, reference: Reference, said: str) -> None:
    assert said in refused(vault, reference)


def test_a_deleted_version_says_so(vault: Vault) -> None:
    vault.secrets["shop/database"].append(None)
    assert "Version 2 of shop/database is deleted" in refused(vault)


def test_a_policy_and_an_expired_token_are_told_apart(vault: Vault) -> None:
    vault.tokens[vault.token] = Token(policies=("blog/",))
    assert 'Give the role the capability "read" on secret/data/shop/database' in refused(vault)
    vault.tokens.clear()
    assert "it has expired or was revoked" in refused(vault)


def test_a_sealed_one_says_so_and_one_that_redirects_is_not_followed(vault: Vault) -> None:
    vault.sealed = True
    assert "is sealed or in maintenance" in refused(vault)
    vault.answers = (307, b"")
    assert "redirects" in refused(vault)
    vault.answers = (500, b'{"errors": ["internal error"]}')
    assert "answers 500 (internal error)" in refused(vault)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>no vault", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b"{}", "without the data"),
        (b'{"data": {"data": ["a"]}}', "without the data"),
        (b'{"data": {"data": {"password": {"a": 1}}}}', "is no text there"),
        (b'{"data": {"data": {"password": null}}}', "is no text there"),
        (b'{"data": {"data": {"password": "a\\u0000b"}}}', "control characters"),
        (b'{"data": {"data": {"password": "' + b"x" * 40_000 + b'"}}}', "longer than 32 KB"),
        (b'{"data": "' + b"x" * (2 << 20) + b'"}', "more than 1 MB"),
        (b"[" * 100_000, "no JSON object"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_one_that_lies_is_not_believed(vault: Vault, body: bytes, said: str) -> None:
    vault.answers = (200, body)
    assert said in refused(vault)


@pytest.mark.parametrize("version", [b"-1", b"true", b'"7"', b"99999999999", b"null"])
def test_a_version_that_is_none_counts_as_unknown(vault: Vault, version: bytes) -> None:
    vault.answers = (200, b'{"data": {"data": {"password": "x"}, "metadata": {"version": %s}}}' % version)
    assert vaults.fetch(asked(vault), [DATABASE]) == {DATABASE: Found("x", 0)}


def test_one_that_drips_is_waited_for_only_so_long(vault: Vault) -> None:
    vault.drips, vault.answers = True, (200, b" " * 600)  # half a minute of it
    with pytest.raises(NotFetched, match="did not answer within 0 s"):
        vault_http.ask(vault_http.Server(vault.address), "GET", "secret/data/shop/database", seconds=0.4)
    assert not vault.dripped, "who asked has not waited for all of it"


def test_a_proxy_of_the_environment_is_not_told_the_token(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert vaults.fetch(asked(vault), [DATABASE])[DATABASE].value == CANARY


def test_a_certificate_is_checked_and_an_authority_of_ones_own_counts(tmp_path: Path) -> None:
    file, pem = make_certificate(tmp_path)
    with serving(file) as vault:
        vault.put("shop/database", password=CANARY)
        assert "cannot be reached" in refused(vault)
        assert vaults.fetch(asked(vault, authorities=pem), [DATABASE])[DATABASE].value == CANARY


def test_what_does_not_speak_http_is_not_quoted(vault: Vault) -> None:
    vault.raw = f"{CANARY} is no status line\r\n\r\n".encode()
    assert "does not speak HTTP" in refused(vault)


def test_nobody_there_and_addresses_that_are_never_asked(vault: Vault) -> None:
    assert "cannot be reached" in refused(vault, address="http://127.0.0.1:1")
    assert "is not asked" in refused(vault, address="http://169.254.169.254")


def test_a_test_tells_names_and_the_end_of_the_token_and_no_value(vault: Vault) -> None:
    vault.tokens[vault.token] = Token(ttl=3 * 86_400 + 5)
    found = vaults.try_out(asked(vault), Reference("vault", "shop/database"))
    assert "the token ends in 3 days" in found.words
    assert (found.keys, found.version) == (("password", "port"), 1)
    assert CANARY not in repr(found)
    vault.tokens.clear()
    with pytest.raises(NotFetched, match="no longer takes the token"):
        vaults.try_out(asked(vault), None)


# --- a program


def program(folder: Path, text: str) -> str:
    path = folder / "secrets"
    path.write_text(f"#!{sys.executable} -I\nimport json, os, sys\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_a_program_is_run_once_for_each_path_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", "canary")
    ran = tmp_path / "ran"
    command = program(
        tmp_path,
        f"open({str(ran)!r}, 'a').write('x'); print(json.dumps([sys.argv[1:], sorted(os.environ), os.getcwd()]))",
    )
    store = Asked({"command": f"{command} show {{}} 'a b'"})
    path = "shop/$(touch x); it's"
    found = commands.fetch(store, [Reference("pass", path), Reference("pass", "other")])
    words, names, folder = json.loads(found[Reference("pass", path)].value)
    assert words == ["show", path, "a b"]
    assert set(names) <= {"PATH", "HOME", "LANG", "LC_CTYPE"}
    assert folder == "/"
    assert ran.read_text() == "xx"


def test_a_program_of_all_secrets_is_run_once(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    command = program(tmp_path, f"open({str(ran)!r}, 'a').write('x'); print(json.dumps({{'a': 'one', 'b': 2}}))")
    one, two = Reference("all", "", "a"), Reference("all", "", "b")
    assert commands.fetch(Asked({"command": command}), [one, two]) == {one: Found("one"), two: Found("2")}
    assert ran.read_text() == "x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"print({CANARY!r}); print({CANARY!r}, file=sys.stderr); sys.exit(3)", "ended with 3"),
        ("os.write(1, b'x' * (2 << 20))", "prints more than 1 MB"),
        ("import time; time.sleep(60)", "did not end within 1 s"),
        ("os.close(1); os.close(2); import time; time.sleep(60)", "does not end"),
        ("os.write(1, bytes([255, 254]))", "no UTF-8 text"),
        (f"print({CANARY!r})", "did not print a JSON object"),
    ],
    ids=["fails", "much", "slow", "silent", "bytes", "no JSON"],
)
def test_a_program_that_fails_is_named_and_nothing_that_it_said_is_told(tmp_path: Path, text: str, said: str) -> None:
    store = Asked({"command": f"{program(tmp_path, text)} {{}}", "seconds": "1"})
    with pytest.raises(NotFetched, match=said) as error:
        commands.fetch(store, [Reference("pass", "x", "key")])
    assert CANARY not in str(error.value)


@pytest.mark.parametrize(("text", "said"), [("'a\\0b'", "control characters"), ("'x' * 40_000", "longer than 32 KB")])
def test_what_no_file_can_hold_is_refused_without_a_key_too(tmp_path: Path, text: str, said: str) -> None:
    store = Asked({"command": f"{program(tmp_path, f'print({text})')} {{}}"})
    for ask in (lambda it: commands.fetch(store, [it]), lambda it: commands.try_out(store, it)):
        with pytest.raises(NotFetched, match=said):
            ask(Reference("pass", "x"))


def test_a_path_is_no_option_and_a_missing_program_is_told() -> None:
    with pytest.raises(NotFetched, match="would be an option"):
        commands.fetch(Asked({"command": "/bin/cat {}"}), [Reference("pass", "--help")])
    with pytest.raises(NotFetched, match="cannot be run: No such file"):
        commands.fetch(Asked({"command": "/nowhere/pass {}"}), [Reference("pass", "x")])


def test_a_program_is_ended_when_nobody_waits_for_it(tmp_path: Path) -> None:
    store = Asked({"command": f"{program(tmp_path, 'import time; time.sleep(60)')} {{}}"})
    with pytest.raises(NotFetched, match="nobody waits"):
        commands.fetch(store, [Reference("pass", "x")], lambda: True)


def test_what_a_program_has_started_ends_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    starts = f"import subprocess; quiet = subprocess.DEVNULL; open({str(child)!r}, 'w').write(str(subprocess.Popen("
    starts += "['/bin/sleep', '600'], stdin=quiet, stdout=quiet, stderr=quiet).pid)); print('x')"
    assert commands.fetch(Asked({"command": f"{program(tmp_path, starts)} {{}}"}), [Reference("pass", "x")])

    def has_ended() -> bool:
        try:
            return b") Z " in Path(f"/proc/{child.read_text()}/stat").read_bytes()
        except OSError:
            return True

    eventually(has_ended)
