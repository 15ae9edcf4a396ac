from tests.environments.presets.conftest import Bench


def test_folders_are_emptied_also_shared_ones(bench: Bench) -> None:
    for name in ("var/cache/a/b", "var/cache/.hidden", "var/cache/..odd", "var/kept"):
        bench.write(name, "x")
    (bench.shared / "pages").mkdir()
    (bench.shared / "pages/index").write_text("x")
    (bench.release / "pages").symlink_to("../../shared/pages")
    said = bench.run("cache-clear", folders=["var/cache", "pages", "not-there"], command="echo cleared")
    assert said == "cleared\nvar/cache is empty\npages is empty\n"
    assert list((bench.release / "var/cache").iterdir()) == list((bench.shared / "pages").iterdir()) == []
    assert (bench.release / "var/kept").exists()


def test_what_leads_elsewhere_is_not_emptied(bench: Bench) -> None:
    outside = bench.folder / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    for name, to in (("cache", outside), ("all", "../../shared"), ("releases", ".."), ("self", ".")):
        (bench.release / name).symlink_to(to)
        assert "it was not emptied" in bench.fail("cache-clear", folders=[name])
    assert (outside / "precious").exists()
    assert bench.release.exists()


def test_a_command_that_fails_ends_it(bench: Bench) -> None:
    bench.write("cache/a", "x")
    bench.fail("cache-clear", folders=["cache"], command="false")
    assert (bench.release / "cache/a").exists()
