import hashlib
import json

from tests.environments.presets.conftest import Bench


def test_each_file_gets_a_second_name_with_its_checksum(bench: Bench) -> None:
    odd = "deep/it's a"
    texts = {"app.css": "a {}\n", f"{odd}.js": "1\n"}
    for name, text in texts.items():
        bench.write(f"build/{name}", text)
    bench.write("build/app.css.gz", "zip")
    bench.write("build/page.html", "x")
    assert bench.run("asset-version", folder="build") == "2 files\n"
    manifest = json.loads((bench.release / "build/manifest.json").read_text())
    sums = {name: hashlib.sha256(text.encode()).hexdigest()[:8] for name, text in texts.items()}
    assert manifest == {
        "app.css": f"app-{sums['app.css']}.css",
        f"{odd}.js": f"{odd}-{sums[odd + '.js']}.js",
    }
    for name, text in texts.items():
        assert (bench.release / "build" / manifest[name]).read_text() == text
    assert (bench.release / "build" / f"{manifest['app.css']}.gz").read_text() == "zip"


def test_it_may_run_twice(bench: Bench) -> None:
    bench.write("build/app.css", "a {}\n")
    bench.run("asset-version", folder="build")
    first = (bench.release / "build/manifest.json").read_text()
    bench.run("asset-version", folder="build")
    assert (bench.release / "build/manifest.json").read_text() == first
    assert len(list((bench.release / "build").glob("app*"))) == 2


def test_what_cannot_be_versioned_is_told(bench: Bench) -> None:
    bench.write('build/a".css', "x")
    assert "cannot stand in a manifest" in bench.fail("asset-version", folder="build")
    assert not (bench.release / "build/manifest.json").exists()
    bench.write("none/page.html", "x")
    assert "no file to version in none" in bench.fail("asset-version", folder="none")
