"""Secrets of an application reach neither the database nor the list of processes, whatever steps print."""

import shlex
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.apps import apps
from django.conf import settings

from deployments import log, secrecy
from deployments.redaction import forms
from environments.models import Application, KeyPair
from environments.sealed import seal
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, FleetTarget, eventually, step
from tests.repository import Repository

TOKEN = "glpat-7Hq+3/xW=Zk9 'p2"
KEY = (
    ed25519.Ed25519PrivateKey.generate()
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    .decode()
)
ADDRESS = "https://git.example.org/shop.git"
PRINTS = """
t=$(cat ../../token)
echo "$t"; echo "the token is $t."; printf 'no newline %s' "$t"; echo
echo "$t" >&2
echo "$t" | base64; printf %s "$t" | base64; printf 'ci:%s' "$t" | base64
printf %s "$t" | od -An -v -tx1 | tr -d ' \\n'; echo
cat ../../key; sed 's/$/\\r/' ../../key; base64 ../../key
TOKEN=$t env | grep TOKEN
set -x; : "$t"; set +x
python3 -uc '
import os, sys, time, urllib.parse
text = open("../../token").read()
for byte in text.encode():
    os.write(1, bytes([byte])); time.sleep(0.01)
print(); print(urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text))'
"""


def stored_texts() -> dict[str, str]:
    """All that the database holds, by model."""
    return {
        model.__name__: "\n".join(repr(row) for row in model._default_manager.values())
        for model in apps.get_models(include_auto_created=True)
    }


def with_secrets(place: FleetTarget, **fields: str) -> None:
    Application.objects.filter(pk=place.target.application_id).update(
        https_user="ci", https_token=seal(TOKEN), deploy_key=seal(KEY), **fields
    )
    place.target.application.refresh_from_db()


def test_it_knows_what_is_secret(make_fleet_target: MakeFleetTarget, fleet: object) -> None:
    place = make_fleet_target(hosts=1)
    with_secrets(place)
    known = secrecy.secrets_of(place.target.application)
    assert {TOKEN, KEY, settings.SECRET_KEY, *settings.ENCRYPTION_KEYS} <= known
    assert any("OPENSSH PRIVATE KEY" in secret and secret != KEY for secret in known), "our own key too"
    assert "" not in known


def test_what_steps_print_is_stored_without_secrets(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1, steps=[step("leak", PRINTS), step("more", "cat ../../token; exit 3", "restart")])
    with_secrets(place)
    (root,) = place.roots()
    root.mkdir()
    (root / "token").write_text(TOKEN)
    (root / "key").write_text(KEY)
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "failed"
    texts = [line.text for line in log.read_all(deploy.pk)]
    assert sum(text.count("***") for text in texts) >= 20
    assert "the token is ***." in texts
    assert "TOKEN=***" in texts
    for model, text in stored_texts().items():
        shown = [form for form in forms(TOKEN) | forms(KEY) if form.decode() in text]
        assert shown == [], f"in {model}"
    assert TOKEN[:12] not in "\n".join(texts), "nor a part of it"


def _fake_git(folder: Path, seen: Path, real: str) -> str:
    """A git that writes down all arguments, environments and key files of this machine while it fetches."""
    folder.mkdir()
    (folder / "git").write_text(f"""#!/bin/sh
for word; do
    shift
    case $word in
    {ADDRESS}) word={real} ;;
    *--file=*) store=${{word##*--file=}} ;;
    esac
    set -- "$@" "$word"
done
case " $* " in *" fetch "*)
    ps axeww >>{seen}.processes
    for place in "${{store:+${{store%/*}}}}" "${{DEPLOYER_GIT-}}"; do
        [ -z "$place" ] || {{ ls -l "$place"; cat "$place"/*; }} >>{seen}.files
    done ;;
esac
PATH=/usr/local/bin:/usr/bin:/bin exec git "$@"
""")
    (folder / "git").chmod(0o755)
    return str(folder)


def test_a_fetch_with_a_token_shows_it_to_nobody(
    make_fleet_target: MakeFleetTarget,
    driver: Driver,
    shop: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the worker's fetch nor the host's: secrets are in files of mode 0600, for as long as git runs."""
    here, there = tmp_path / "here", tmp_path / "there"
    place = make_fleet_target(hosts=1, distribution="git", path_prepend=[_fake_git(tmp_path / "host", there, shop.url)])
    with_secrets(place, repository=ADDRESS)
    monkeypatch.setenv("PATH", f"{_fake_git(tmp_path / 'worker', here, shop.url)}:/usr/local/bin:/usr/bin:/bin")
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, [run.error for run in deploy.runs.all()]) == ("succeeded", [""])
    ours = KeyPair.objects.get()
    for seen in (here, there):
        processes = Path(f"{seen}.processes").read_text(errors="replace")
        assert " fetch " in processes, "the test looks while git fetches"
        for secret in (TOKEN, KEY.splitlines()[1], settings.SECRET_KEY, ours.private):
            assert secret not in processes
            assert shlex.quote(secret) not in processes
        files = Path(f"{seen}.files").read_text()
        assert "glpat-7Hq" in files, "the test looks at the right files"
        assert KEY.splitlines()[1] in files
        modes = {line.split()[0] for line in files.splitlines() if line.startswith("-r")}
        assert modes == {"-rw-------"}
    (root,) = place.roots()
    left = [path for path in root.rglob("*") if path.is_file() and b"glpat" in path.read_bytes()]
    assert left == [], "nothing of it stays on the host"


def test_what_lies_in_a_hosts_state_folder_is_for_its_user_only(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(
        hosts=1,
        umask="000",
        steps=[step("build", "echo hello; touch ../../begun; until [ -e ../../go ]; do sleep 0.1; done")],
    )
    (root,) = place.roots()
    deploy = request(place)
    with driver.running(deploy):
        eventually((root / "begun").exists, what="the step's begin")
        found = {path: path.stat().st_mode & 0o777 for path in (root / ".deployer/programs").rglob("*")}
        program = next(path for path in found if path.name == "program")
        assert program.read_text() == "", "it holds the keys of a fetch, and goes first"
        (root / "go").touch()
    assert deploy.status == "succeeded"
    assert {path.name for path in found} >= {"spool", "nonce", "alive"}
    assert {mode for path, mode in found.items() if path.name in {"spool", "nonce", "fence"}} == {0o600}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    spools = [path for path in (root / ".deployer/programs").rglob("spool") if path.stat().st_size]
    eventually(lambda: not [path for path in spools if path.stat().st_size], what="the removal of what is stored")
