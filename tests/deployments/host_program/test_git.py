"""The git distribution: a mirror on the host, one commit fetched, checked out and compared by content."""

import os
import subprocess
from pathlib import Path

import pytest

from deployments.host_values import GitSource, HostStep, Mark, Release
from deployments.program_texts import finish_program, prepare_program
from tests.deployments.host_program.hosts import Host, release
from tests.deployments.host_program.looking import content_of

WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b"}

# Asks for credentials with the very options of the fetch, for the own site and for another one.
FAKE_GIT = """#!/usr/bin/perl
my @own;
for my $word (@ARGV) {{ last if $word eq 'fetch'; push @own, $word }}
exec '/usr/bin/git', @ARGV if @own == @ARGV;
open(LOG, '>', '{log}'); close LOG;
for my $site ('code.example', 'other.example') {{
    open(my $in, '|-', "/usr/bin/env", "sh", "-c", 'exec /usr/bin/git "$@" credential fill >>"$0" 2>&1', '{log}', @own);
    print $in "protocol=https\\nhost=$site\\n\\n";
    close $in;
    if ($site eq 'code.example') {{ open(LOG, '>>', '{log}'); print LOG "---\\n"; close LOG }}
}}
exit 1;
"""


def git(folder: Path, *words: str) -> str:
    environment = os.environ | WHO | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.check_output(["git", "-C", folder, *words], text=True, env=environment).strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a b'c.txt").write_text("one\n")
    (folder / "dos.txt").write_bytes(b"line\r\n")
    (folder / ".gitattributes").write_text("dos.txt text eol=crlf\n")
    (folder / "empty").touch()
    (folder / "link").symlink_to("a b'c.txt")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD")


def program(host: Host, to: Release, source: GitSource, *commands: str) -> str:
    return prepare_program(host.place, to, source, ["log"], [], [HostStep("x", command) for command in commands], {})


def test_a_commit_is_fetched_and_laid_out(host: Host, repository: Path) -> None:
    to = release(1, head(repository))
    source = GitSource(f"file://{repository}", to.revision, "refs/heads/main")
    channel = host.run_program(program(host, to, source, "cat *.txt; cat link; test -x run.sh"))
    assert channel.marks()[-1] == Mark("end", "ok"), channel.data.decode()
    path = host.root / "releases" / to.name
    assert b"one\nline\r\none\n" in channel.data
    assert not (path / ".git").exists()
    assert (path / "REVISION").read_text().strip() == to.revision
    assert os.readlink(path / "log") == "../../shared/log"


@pytest.mark.parametrize("packed", [False, True])
def test_the_next_commit_needs_only_what_is_new_and_an_old_one_no_repository(
    host: Host, repository: Path, packed: bool
) -> None:
    one = release(1, head(repository))
    host.run_program(program(host, one, GitSource(f"file://{repository}", one.revision)))
    (repository / "new").write_text("two")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "two")
    two = release(2, head(repository))
    channel = host.run_program(program(host, two, GitSource(f"file://{repository}", two.revision)), name="d2-prepare-1")
    assert channel.marks()[-1] == Mark("end", "ok")
    assert (host.root / "releases" / two.name / "new").read_text() == "two"
    repository.rename(repository.with_name("gone"))
    if packed:
        git(host.root / "repo", "pack-refs", "--all")
    back = release(3, one.revision)
    channel = host.run_program(
        program(host, back, GitSource(f"file://{repository}", one.revision)), name="d3-prepare-1"
    )
    assert channel.marks()[-1] == Mark("end", "ok"), channel.data.decode()


def change(repository: Path, *commands: str) -> str:
    """Commit what these commands do in the working copy."""
    for command in commands:
        subprocess.run(["sh", "-c", command], cwd=repository, check=True)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "change")
    return head(repository)


def log_git(host: Host) -> Path:
    """Where this host's git tells its command lines from now on."""
    log = host.root.parent / "git.log"
    fake = host.root.parent / "tools" / "git"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{log}"\nexec /usr/bin/git "$@"\n')
    fake.chmod(0o755)
    return log


def laid_out_anew(host: Host, repository: Path, *steps: str) -> tuple[dict[str, str], list[str]]:
    """Serve the head, change it, lay the new head out; what lies there, and what git did for it."""
    one = release(1, head(repository))
    host.run_program(program(host, one, GitSource(f"file://{repository}", one.revision), *steps))
    host.switch(one)
    revision = change(
        repository, "echo 2 >dos.txt; git rm -q run.sh; mkdir run.sh; echo x >run.sh/x; ln -sf empty link"
    )
    log = log_git(host)
    two = release(2, revision)
    channel = host.run_program(program(host, two, GitSource(f"file://{repository}", revision)), name="d2-prepare-1")
    assert channel.marks()[-1] == Mark("end", "ok"), channel.data.decode()
    return content_of(host.root / "releases" / two.name), log.read_text().splitlines()


def is_the_head(found: dict[str, str]) -> bool:
    """A file by git's own rules, a folder in place of a file, a link that leads elsewhere; the rest as it was."""
    changed = {"dos.txt": "2\n", "run.sh/x": "x\n", "link": "empty"}
    same = {"a b'c.txt": "one\n", "empty": "", ".gitattributes": "dos.txt text eol=crlf\n"}
    return {name: text for name, text in found.items() if name not in ("REVISION", "log", "run.sh/")} == changed | same


def test_only_what_differs_is_checked_out(host: Host, repository: Path) -> None:
    found, commands = laid_out_anew(host, repository)
    assert is_the_head(found)
    assert not any("read-tree" in command for command in commands)
    raw = (host.root / "releases" / release(2, head(repository)).name / "dos.txt").read_bytes()
    assert raw == b"2\r\n"
    inodes = [{path.lstat().st_ino for path in folder.rglob("*")} for folder in (host.root / "releases").iterdir()]
    assert not inodes[0] & inodes[1]


def test_a_release_that_its_steps_changed_is_not_taken_over(host: Host, repository: Path) -> None:
    found, commands = laid_out_anew(host, repository, "echo x >>empty")
    assert is_the_head(found)
    assert any("read-tree" in command for command in commands)


def test_a_release_that_the_application_changed_is_not_taken_over(host: Host, repository: Path) -> None:
    one = release(1, head(repository))
    host.run_program(program(host, one, GitSource(f"file://{repository}", one.revision)))
    host.switch(one)
    (host.root / "current" / "empty").write_text("written by the application")
    two = release(2, change(repository, "echo new >new"))
    channel = host.run_program(program(host, two, GitSource(f"file://{repository}", two.revision)), name="d2-prepare-1")
    assert channel.marks()[-1] == Mark("end", "ok")
    assert content_of(host.root / "releases" / two.name)["empty"] == ""


def test_new_attributes_may_change_any_file(host: Host, repository: Path) -> None:
    one = release(1, head(repository))
    host.run_program(program(host, one, GitSource(f"file://{repository}", one.revision)))
    host.switch(one)
    two = release(2, change(repository, "echo '*.txt text eol=crlf' >.gitattributes"))
    channel = host.run_program(program(host, two, GitSource(f"file://{repository}", two.revision)), name="d2-prepare-1")
    assert channel.marks()[-1] == Mark("end", "ok")
    assert (host.root / "releases" / two.name / "a b'c.txt").read_bytes() == b"one\r\n"


def test_a_server_that_gives_no_commits_gives_the_ref(host: Host, repository: Path) -> None:
    """Protocol 0, as old servers speak it, refuses what no ref points to directly."""
    older = head(repository)
    (repository / "new").write_text("two")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "two")
    (host.root.parent / "tools" / "git").write_text('#!/bin/sh\nexec /usr/bin/git -c protocol.version=0 "$@"\n')
    (host.root.parent / "tools" / "git").chmod(0o755)
    to = release(1, older)
    source = GitSource(f"file://{repository}", older, "refs/heads/main")
    channel = host.run_program(program(host, to, source))
    assert any("fetching refs/heads/main instead" in mark.args for mark in channel.marks()), channel.data.decode()
    assert channel.marks()[-1] == Mark("end", "ok")
    assert not (host.root / "releases" / to.name / "new").exists()


def test_an_unknown_commit_fails_and_leaves_nothing(host: Host, repository: Path) -> None:
    to = release(1, "b" * 40)
    channel = host.run_program(program(host, to, GitSource(f"file://{repository}", to.revision, "refs/heads/main")))
    assert channel.marks()[-1] == Mark("end", "failed fetch")
    assert list((host.root / "releases").iterdir()) == []


@pytest.mark.parametrize("harm", ['echo changed >"a b\'c.txt"', "rm run.sh", "touch besides"])
def test_a_checkout_that_went_wrong_is_noticed(host: Host, repository: Path, harm: str) -> None:
    """A git that harms what it has laid out stands for a disk that does."""
    fake = host.root.parent / "tools" / "git"
    fake.write_text(f'#!/bin/sh\n/usr/bin/git "$@" || exit\ncase "$*" in *checkout-index*) {harm};; esac\n')
    fake.chmod(0o755)
    to = release(1, head(repository))
    channel = host.run_program(program(host, to, GitSource(f"file://{repository}", to.revision), "touch ../../../ran"))
    assert channel.marks()[-1] == Mark("end", "failed manifest"), channel.data.decode()
    assert not (host.root / "releases" / to.name).exists()
    assert not (host.root.parent / "ran").exists()


def test_locks_of_a_killed_git_do_not_stay(host: Host, repository: Path) -> None:
    one = release(1, head(repository))
    host.run_program(program(host, one, GitSource(f"file://{repository}", one.revision)))
    (repository / "new").write_text("two")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "two")
    two = release(2, head(repository))
    locks = [host.root / "repo" / name for name in (f"refs/deployer/{two.revision}.lock", "config.lock")]
    for lock in locks:
        lock.touch()
    channel = host.run_program(program(host, two, GitSource(f"file://{repository}", two.revision)), name="d2-prepare-1")
    assert channel.marks()[-1] == Mark("end", "ok")
    assert not any(lock.exists() for lock in locks)


@pytest.mark.parametrize("loose", [3, 30])
def test_git_looks_after_its_store_where_there_is_something_to_do(host: Host, repository: Path, loose: int) -> None:
    log = log_git(host)
    one = release(1, head(repository))
    host.run_program(program(host, one, GitSource(f"file://{repository}", one.revision)))
    folder = host.root / "repo" / "objects" / "17"
    folder.mkdir(exist_ok=True)
    for number in range(loose):
        (folder / f"{number:038x}").touch()
    two = release(2, change(repository, "echo new >new"))
    host.run_program(program(host, two, GitSource(f"file://{repository}", two.revision)), name="d2-prepare-1")
    fetches = [line for line in log.read_text().splitlines() if " fetch " in line]
    assert [f"maintenance.auto={word}" in fetches[-1] for word in ("true", "false")] == [loose > 27, loose <= 27]


def test_steps_find_no_keys(host: Host, repository: Path) -> None:
    to = release(1, head(repository))
    source = GitSource(f"file://{repository}", to.revision, key="THE KEY", known_hosts="code.example ssh-ed25519 AA")
    channel = host.run_program(program(host, to, source, "ls ../../.deployer/programs/d1-prepare-1"))
    assert channel.marks()[-1] == Mark("end", "ok")
    assert b"\nspool\n" in channel.data
    assert b"\ngit\n" not in channel.data


def test_ssh_checks_the_given_key_and_the_key_goes_away(host: Host, repository: Path) -> None:
    log = host.root.parent / "ssh.log"
    fake = host.root.parent / "tools" / "ssh"
    fake.write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$@"; cat key known_hosts; ls -l key; }} >"{log}"\nexit 255\n')
    fake.chmod(0o755)
    to = release(1, head(repository))
    source = GitSource(
        "git@code.example:shop.git", to.revision, "", key="THE KEY", known_hosts="code.example ssh-ed25519 AA"
    )
    channel = host.run_program(program(host, to, source))
    assert channel.marks()[-1] == Mark("end", "failed fetch")
    said = log.read_text().splitlines()
    for option in (
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=known_hosts",
        "BatchMode=yes",
        "IdentitiesOnly=yes",
    ):
        assert option in said
    assert said[:2] == ["-F", "/dev/null"]
    assert "THE KEY" in said
    assert "code.example ssh-ed25519 AA" in said
    assert said[-1].startswith("-rw------- ")
    assert "git-upload-pack 'shop.git'" in said
    assert not [path for path in host.root.rglob("*") if path.is_file() and b"THE KEY" in path.read_bytes()]


def test_a_token_is_for_its_own_site_only(host: Host, repository: Path) -> None:
    log = host.root.parent / "credentials"
    fake = host.root.parent / "tools" / "git"
    fake.write_text(FAKE_GIT.format(log=log))
    fake.chmod(0o755)
    to = release(1, head(repository))
    source = GitSource("https://code.example/shop.git", to.revision, "", username="bot", token="t0k'en$")
    channel = host.run_program(program(host, to, source))
    assert channel.marks()[-1] == Mark("end", "failed fetch")
    own, other = log.read_text().split("---\n")
    assert "username=bot\npassword=t0k'en$\n" in own
    assert "t0k" not in other
    assert b"t0k" not in channel.data
    assert not [path for path in host.root.rglob("*") if path.is_file() and b"t0k" in path.read_bytes()]


def refs(host: Host) -> set[str]:
    listed = git(host.root / "repo", "for-each-ref", "--format=%(refname:lstrip=2)", "refs/deployer")
    return set(listed.split())


@pytest.mark.parametrize("packed", [False, True])
def test_the_mirror_forgets_revisions_that_no_release_has(host: Host, repository: Path, packed: bool) -> None:
    """Some at a time; what another tool keeps in the same mirror is its own."""
    gone = [head(repository), *(change(repository, f"echo {n} >n") for n in range(9))]
    to = [release(n, change(repository, f"echo release {n} >n")) for n in (1, 2)]
    mirror = host.root / "repo"

    def deploy(one: Release, fetched_before: list[str]) -> None:
        name = f"d{one.number}"
        source = GitSource(f"file://{repository}", one.revision)
        host.run_program(program(host, one, source), name=f"{name}-prepare-1")
        host.switch(one)
        for revision in fetched_before:
            git(mirror, "update-ref", f"refs/deployer/{revision}", revision)
        git(mirror, "update-ref", "refs/heads/main", gone[0])
        if packed:
            git(mirror, "pack-refs", "--all")
        done = host.run_program(finish_program(host.place, one, [], [], 3, [], {}), name=f"{name}-finish-1")
        assert done.marks()[-1] == Mark("end", "ok")

    deploy(to[0], gone[1:])
    assert refs(host) == {to[0].revision, *gone[1:]}, "not worth a process yet"
    deploy(to[1], gone)
    assert refs(host) == {to[0].revision, to[1].revision}
    assert git(mirror, "rev-parse", "refs/heads/main") == gone[0]
