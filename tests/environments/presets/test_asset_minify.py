import gzip
import os

from tests.environments.presets.conftest import Bench


def test_files_get_smaller_and_a_compressed_copy(bench: Bench) -> None:
    css = bench.write("css/a b's.css", "a  {  }\n")
    js = bench.write("js/app.js", "1  +  1\n")
    done = bench.write("js/lib.min.js", "2  +  2\n")
    other = bench.write("js/readme.txt", "a  b\n")
    js.chmod(0o640)
    said = bench.run("asset-minify", folders=["css", "js"], tool="tr -s ' '")
    assert said == "2 files\n"
    assert [path.read_text() for path in (css, js, done, other)] == ["a { }\n", "1 + 1\n", "2  +  2\n", "a  b\n"]
    assert gzip.decompress((bench.release / "js/app.js.gz").read_bytes()) == b"1 + 1\n"
    assert js.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in js.parent.iterdir()} == {"app.js", "app.js.gz", "lib.min.js", "readme.txt"}


def test_a_file_that_another_release_shares_is_not_written_to(bench: Bench) -> None:
    css = bench.write("css/app.css", "a  {  }\n")
    os.link(css, bench.root / "older.css")
    bench.run("asset-minify", folders=["css"], tool="tr -s ' '", compress=False)
    assert (bench.root / "older.css").read_text() == "a  {  }\n"


def test_a_tool_that_fails_or_leaves_nothing_ends_it(bench: Bench) -> None:
    css = bench.write("css/app.css", "a  {  }\n")
    assert "css/app.css could not be minified" in bench.fail("asset-minify", folders=["css"], tool="cat; false")
    assert "Nothing is left of css/app.css" in bench.fail("asset-minify", folders=["css"], tool="true")
    assert css.read_text() == "a  {  }\n"


def test_no_files_are_a_mistake(bench: Bench) -> None:
    bench.write("css/readme.txt", "x")
    assert "no file to minify in css" in bench.fail("asset-minify", folders=["css"])
    assert "nothing is no folder of this release" in bench.fail("asset-minify", folders=["nothing"])
