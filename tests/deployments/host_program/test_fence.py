"""Who may write to a folder: the target that it belongs to, by its newest claim."""

import shutil

import pytest

from deployments.host_values import Mark, Place, Release
from tests.conftest import Wait
from tests.deployments.host_program.hosts import Host, Tree, prepare
from tests.deployments.host_program.looking import content_of


def test_a_lower_fence_writes_nothing(any_host: Host, shop: Tree, first: Release) -> None:
    any_host.run_program(prepare(any_host, first, shop, "echo x"), fence=7, archive=shop)
    before = content_of(any_host.root)
    stale = any_host.start(prepare(any_host, first, shop, "touch ../../../ran"), name="d0-prepare-1", fence=6)
    assert stale.to_end() == [Mark("refused", "fence 7")]
    assert any_host.arm(first, fence=6).to_end() == [Mark("refused", "fence 7")]
    assert content_of(any_host.root) == before
    assert not (any_host.root.parent / "ran").exists()


def test_an_attachment_raises_the_fence(host: Host, shop: Tree, first: Release) -> None:
    program = prepare(host, first, shop, host.gate, "echo second")
    host.start(program, fence=3, archive=shop).wait_for("step")
    adopter = host.start(program, fence=9)
    assert (host.state / "fence").read_text() == "9\n"
    host.open_gate()
    assert adopter.wait_for("end").args == "ok"
    assert host.start(program, fence=8).to_end() == [Mark("refused", "fence 9")]


@pytest.mark.parametrize("word", ["stored", "stop"])
def test_a_worker_that_wakes_up_late_is_not_obeyed(host: Host, shop: Tree, first: Release, word: str) -> None:
    program = prepare(host, first, shop, f"echo there; {host.gate}")
    stale = host.start(program, fence=3, archive=shop)
    stale.wait_text(b"there\n")
    adopter = host.start(program, fence=4)
    stale.send(f"{word}\n")
    assert stale.to_end()[-1] == Mark("refused", "fence 4")
    host.open_gate()
    assert adopter.wait_for("end").args == "ok"
    assert (host.state / "programs/d1-prepare-1/spool").exists()


def test_a_waiting_program_with_an_older_claim_does_nothing(
    any_host: Host, shop: Tree, first: Release, eventually: Wait
) -> None:
    holder = any_host.start(prepare(any_host, first, shop, any_host.gate), archive=shop)
    holder.wait_for("step")
    waiting = any_host.start(
        prepare(any_host, first, shop, "touch ../../../ran"), name="d2-prepare-1", fence=2, archive=shop
    )
    waiting.wait_for("say")
    newer = any_host.start(prepare(any_host, first, shop, "echo newer"), name="d3-prepare-1", fence=3, archive=shop)
    any_host.open_gate()
    assert waiting.wait_for("end").args == "failed fence"
    assert newer.wait_for("end").args == "ok"
    assert not (any_host.root.parent / "ran").exists()


def test_a_running_program_ends_before_its_next_step_when_another_has_claimed(
    host: Host, shop: Tree, first: Release
) -> None:
    running = host.start(prepare(host, first, shop, host.gate, "touch ../../../ran"), archive=shop)
    running.wait_for("step")
    host.start(prepare(host, first, shop, "echo newer"), name="d2-prepare-1", fence=2, archive=shop)
    host.open_gate()
    assert running.wait_for("end").args == "failed fence"
    assert not (host.root.parent / "ran").exists()


def test_a_folder_of_another_target_is_refused(any_host: Host, shop: Tree, first: Release) -> None:
    any_host.run_program(prepare(any_host, first, shop, "echo x"), archive=shop)
    before = content_of(any_host.root)
    any_host.place = Place(any_host.place.root, "shop/staging")
    channel = any_host.start(prepare(any_host, first, shop, "echo x"), name="d9-prepare-1", fence=99)
    assert channel.to_end() == [Mark("refused", "target shop/production")]
    assert any_host.arm(first, fence=99).to_end() == [Mark("refused", "target shop/production")]
    assert content_of(any_host.root) == before


def test_a_damaged_fence_is_not_taken_for_none(host: Host, shop: Tree, first: Release) -> None:
    host.run_program(prepare(host, first, shop), fence=5, archive=shop)
    (host.state / "fence").write_text("")
    channel = host.start(prepare(host, first, shop), name="d2-prepare-1", fence=6)
    (mark,) = channel.to_end()
    assert mark.word == "refused"
    assert "damaged" in mark.args


def test_missing_tools_are_named(host: Host, shop: Tree, first: Release) -> None:
    folder = host.root.parent / "few"
    folder.mkdir()
    for tool in ("sh", "mkdir", "cat", "tr"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    host.path = str(folder)
    (mark,) = host.start(prepare(host, first, shop)).to_end()
    assert mark.args.startswith("tools this host lacks tar flock setsid head mv-T sha256sum;")
    assert not host.root.exists()


def test_a_root_that_cannot_be_made_is_refused(host: Host, shop: Tree, first: Release) -> None:
    host.root.parent.joinpath("file").write_text("")
    host.place = Place(f"{host.root.parent}/file/shop", "shop/production")
    (mark,) = host.start(prepare(host, first, shop)).to_end()
    assert mark.word == "refused"
    assert mark.args.startswith("root ")
    assert "ot a directory" in mark.args
