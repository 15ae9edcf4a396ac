"""The texts of host programs, without a host."""

import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.host_program import parse_mark, start_command, switch_command
from deployments.host_values import (
    Call,
    Changes,
    Entry,
    GitSource,
    HeldSource,
    HostStep,
    InvalidValue,
    Mark,
    Packed,
    Place,
    Release,
    UnsafeText,
    quote,
)
from deployments.manifests import manifest_of
from deployments.program_texts import prepare_program

PLACE = Place("/srv/shop", "shop/production")
RELEASE = Release("20261122090000-aaaaaaa", "a" * 40, 1, "Ada")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(max_examples=150, deadline=None)
@given(words=st.lists(TEXT, min_size=1, max_size=5))
def test_quoting_survives_a_real_shell(words: list[str]) -> None:
    for shell in (["dash"], ["bash"], ["busybox", "sh"]):
        command = "printf '%s\\0' " + " ".join(quote(word) for word in words)
        said = subprocess.run([*shell, "-c", command], capture_output=True, check=True).stdout
        assert said == b"".join(word.encode() + b"\0" for word in words)


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_what_no_shell_can_carry_is_refused(text: str) -> None:
    with pytest.raises(UnsafeText):
        quote(text)
    with pytest.raises(UnsafeText):
        prepare_program(PLACE, RELEASE, HeldSource(), [], [], [HostStep("x", text)], {})


def git_source(url: str = "https://code.example/shop.git", ref: str = "refs/heads/main", token: str = "") -> GitSource:
    return GitSource(url, "a" * 40, ref, token=token)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Place("srv/shop", "x"),
        lambda: Place("/", "x"),
        lambda: Place("/srv/../etc", "x"),
        lambda: Place("/srv//shop", "x"),
        lambda: Place("/srv/shop\n", "x"),
        lambda: Place("/srv/shop", ""),
        lambda: Place("/srv/shop", "a\nb"),
        lambda: Place("/srv/shop", "x", ("bin",)),
        lambda: Place("/srv/shop", "x", ("/a:/b",)),
        lambda: Place("/srv/shop", "x", shell=""),
        lambda: Place("/srv/shop", "x", shell="bash -c 'x"),
        lambda: Place("/srv/shop", "x", umask="0o22"),
        lambda: Release("../../etc", "a" * 40, 1, "Ada"),
        lambda: Release("20261122090000-aaaaaaa\n", "a" * 40, 1, "Ada"),
        lambda: Release("20261122090000-aaaaaaa", "main", 1, "Ada"),
        lambda: HostStep("x", "true", -1),
        lambda: Packed("x", 1),
        lambda: Packed("a" * 64, 0),
        lambda: Changes("x", Packed("a" * 64, 1)),
        lambda: Call(PLACE, "../x", 1, "nonce123"),
        lambda: Call(PLACE, "-x", 1, "nonce123"),
        lambda: Call(PLACE, "x", -1, "nonce123"),
        lambda: Call(PLACE, "x", 1, "non ce 123"),
        lambda: git_source("ext::sh -c 'touch x'"),
        lambda: git_source("--upload-pack=touch x"),
        lambda: git_source("ssh://-oProxyCommand=x/y"),
        lambda: git_source("-oProxyCommand=x:y"),
        lambda: git_source("git@host:-x"),
        lambda: git_source("http://code.example/shop.git"),
        lambda: git_source("https://code.example/a b"),
        lambda: git_source("https://code.example/a\nb"),
        lambda: git_source(ref="--upload-pack=x"),
        lambda: git_source(ref="refs/../x"),
        lambda: git_source(ref="a b"),
        lambda: git_source(ref="@{u}"),
        lambda: git_source(ref="a:b"),
        lambda: git_source(ref="+a"),
        lambda: git_source(token="a\nb"),
        lambda: manifest_of([Entry("a\nb", "0" * 64)]),
        lambda: manifest_of([Entry("a", "")]),
        lambda: manifest_of([Entry("a", link="b\nc")]),
        lambda: prepare_program(PLACE, RELEASE, HeldSource(), ["/etc"], [], [], {}),
        lambda: prepare_program(PLACE, RELEASE, HeldSource(), ["a/../.."], [], [], {}),
        lambda: prepare_program(PLACE, RELEASE, HeldSource(), [], [""], [], {}),
        lambda: prepare_program(PLACE, RELEASE, HeldSource(), [], [], [], {"a b": "x"}),
        lambda: prepare_program(PLACE, RELEASE, HeldSource(), [], [], [], {"X\n": "x"}),
        lambda: prepare_program(PLACE, RELEASE, HeldSource(), [], [], [], {"PATH": "x"}),
        lambda: prepare_program(PLACE, RELEASE, HeldSource(), [], [], [], {"DEPLOYER_ROOT": "x"}),
        lambda: prepare_program(PLACE, RELEASE, GitSource("file:///x", "b" * 40), [], [], [], {}),
        lambda: Release("20261122090000aaaaaaa", "a" * 40, 1, "Ada"),
        lambda: Release("2026112209000", "a" * 40, 1, "Ada"),
        lambda: switch_command(PLACE, name="x y", fence=1, nonce="nonce123", release=RELEASE),
    ],
)
def test_bad_values_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidValue):
        make()


@pytest.mark.parametrize(
    "url", ["https://code.example/a.git", "ssh://git@code.example:22/a", "git@code.example:a/b.git", "file:///a"]
)
def test_usual_addresses_and_refs_are_taken(url: str) -> None:
    for ref in ("", "main", "feature/x-1", "refs/heads/fix/#12", "refs/tags/v1.0", "v1.0+build"):
        prepare_program(PLACE, RELEASE, git_source(url, ref), [], [], [], {})


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        (b"\x1enonce123 end ok\n", Mark("end", "ok")),
        (b"no line's end\x1enonce123 step end 1 0\n", Mark("step", "end 1 0")),
        (b"\x1enonce123 lost\n", Mark("lost", "")),
        (b"\x1enonce123 st\x1enonce123 end failed disk\n", Mark("end", "failed disk")),
        (b"\x1enonce123 say \xff\n", Mark("say", "\\xff")),
        (b"\x1eother123 end ok\n", None),
        (b"nonce123 end ok\n", None),
        (b"\x1enonce123 end ok", None),
        (b"", None),
    ],
)
def test_marks_are_told_from_output(line: bytes, mark: Mark | None) -> None:
    assert parse_mark(line, "nonce123") == mark


def test_a_manifest_lists_files_links_and_the_total() -> None:
    entries = [Entry("a b", "0" * 64, size=5), Entry("./l", link="a b"), Entry("c", "1" * 64, size=2)]
    assert manifest_of(entries) == f"{'0' * 64}  ./a b\nlink ./l\nto a b\n{'1' * 64}  ./c\ntotal 7\n"


def test_a_program_holds_no_word_of_its_call_and_a_call_none_of_the_program() -> None:
    """Secrets travel on standard input only: arguments can be seen by everyone on the host."""
    source = git_source("https://code.example/a.git", token="s3cret")
    program = prepare_program(PLACE, RELEASE, source, [], [], [], {"TOKEN": "s3cret"})
    command = start_command(Call(PLACE, "d1-prepare-1", 7, "nonce123"))
    assert "s3cret" in program
    assert "s3cret" not in command
    assert "nonce123" not in program


def test_a_start_command_fits_a_packet_of_any_ssh_server() -> None:
    assert len(start_command(Call(PLACE, "d1-prepare-1", 7, "nonce123"))) < 32_000


def test_shared_links_lead_from_any_depth() -> None:
    program = prepare_program(PLACE, RELEASE, HeldSource(), ["log", "a/b/c"], ["x/y"], [], {})
    assert "link_dir log ../../shared/log\n" in program
    assert "link_dir a/b/c ../../../../shared/a/b/c\n" in program
    assert "link_file x/y ../../../shared/x/y\n" in program
