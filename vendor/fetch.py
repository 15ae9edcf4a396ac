"""Copy what the pages need from pinned npm packages into static/vendor/, build the icon sprite, write THIRD_PARTY.md.

What only tests need goes into tests/vendor/ instead, and is never served.

    python vendor/fetch.py           fetch again (needs npm and a network)
    python vendor/fetch.py --check   compare the committed files with static/vendor/checksums.json (needs nothing)

packages.json names the packages: version, integrity, which files go where. shapes.svg holds our own state shapes.
The copied files are committed, so an installation never talks to a package registry.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENDOR = ROOT / "static" / "vendor"
FOR_TESTS = ROOT / "tests" / "vendor"
CHECKSUMS = VENDOR / "checksums.json"
SPRITE = ROOT / "templates" / "_sprite.svg"
THIRD_PARTY = ROOT / "THIRD_PARTY.md"

Package = dict[str, Any]


class VendorError(Exception):
    """A package is not what packages.json says, or a committed file was changed. The text says which."""


def read_packages() -> dict[str, Package]:
    """The pinned packages, by name."""
    packages: dict[str, Package] = json.loads((HERE / "packages.json").read_text())
    return packages


def fetch_package(*, name: str, package: Package, folder: Path) -> Path:
    """Fetch one package into `folder` and unpack it; VendorError when its integrity is not the pinned one."""
    wanted = f"{name}@{package['version']}"
    done = subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True, text=True)
    archive = folder / done.stdout.split()[-1]
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != package["integrity"]:
        raise VendorError(f"{wanted}: got {digest}, packages.json says {package['integrity']}. Nothing was copied.")
    place = folder / archive.stem
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    return place / "package"


def copy_files(*, package: Package, source: Path) -> list[Path]:
    """Copy the named files of one unpacked package.

    Remarks that name a source map are dropped, as the maps are not copied, and rules that make a browser look at the
    whole page again whenever a row comes or a style is set.
    """
    copied = []
    for inside, outside in package["files"].items():
        place = ROOT / package.get("folder", VENDOR) / outside
        place.parent.mkdir(parents=True, exist_ok=True)
        data = (source / inside).read_bytes()
        if place.suffix in {".css", ".js"}:
            data = re.sub(rb"(?m)^(//|/\*)# sourceMappingURL=.*$", b"", data)
        for start in package.get("without_rules", ()):
            data = drop_rules(data, start.encode())
        place.write_bytes(data)
        copied.append(place)
    if text := package.get("licence_text"):
        place = copied[0].parent / "LICENSE"
        shutil.copyfile(HERE / text, place)
        copied.append(place)
    return copied


def drop_rules(css: bytes, start: bytes) -> bytes:
    """A minified style sheet without the rules whose selector begins so; VendorError when there is none."""
    left, dropped = re.subn(rb"(?<=[}{;])" + re.escape(start) + rb"[^{}]*\{[^{}]*\}", b"", css)
    if not dropped:
        raise VendorError(f"No rule begins with {start.decode()}. Mend without_rules in packages.json.")
    return left


def write_sprite(*, names: list[str], source: Path) -> None:
    """One sprite: our state shapes and the named outline icons, each as a symbol."""
    symbols = (HERE / "shapes.svg").read_text().splitlines()
    for name in names:
        text = (source / "icons" / "outline" / f"{name}.svg").read_text()
        paths = re.findall(r'<path d="[^"]+" ?/>', text)
        symbols.append(f'<symbol id="i-{name}" viewBox="0 0 24 24">{"".join(paths)}</symbol>')
    SPRITE.write_text('<svg class="dp-sprite" aria-hidden="true">\n' + "\n".join(symbols) + "\n</svg>\n")


def digest_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_third_party(*, packages: dict[str, Package], checksums: dict[str, str]) -> None:
    """THIRD_PARTY.md: what is in static/vendor/, whose it is, under which licence."""
    lines = [
        "# Third-party files",
        "",
        "Written by `python vendor/fetch.py`. Files of these npm packages are committed in `static/vendor/` (for tests",
        "alone: `tests/vendor/`), with their licences, unchanged but for remarks that name a source map and rules that",
        "make browsers slow (`without_rules` in `vendor/packages.json`); `python vendor/fetch.py --check` compares",
        "them with their checksums. htmx 2 is served by the Python package django-htmx (0BSD and MIT); Python packages",
        "are listed in `requirements.txt`.",
        "",
        "| package | version | licence | what for |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {it['version']} | {it['licence']} | {it['why']} |" for name, it in packages.items()]
    lines += ["", "| file | sha256 |", "|---|---|"]
    lines += [f"| `{name}` | `{checksum}` |" for name, checksum in checksums.items()]
    THIRD_PARTY.write_text("\n".join(lines) + "\n")


def fetch_all() -> None:
    """Fetch every package and write all that follows from it."""
    packages = read_packages()
    copied: list[Path] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, package in packages.items():
            source = fetch_package(name=name, package=package, folder=Path(folder))
            copied += copy_files(package=package, source=source)
            if "icons" in package:
                write_sprite(names=package["icons"], source=source)
    checksums = {str(path.relative_to(ROOT)): digest_of(path) for path in [*copied, SPRITE]}
    CHECKSUMS.write_text(json.dumps(checksums, indent=2) + "\n")
    write_third_party(packages=packages, checksums=checksums)


def check_all() -> None:
    """VendorError when a committed file is missing, changed, or not known."""
    checksums: dict[str, str] = json.loads(CHECKSUMS.read_text())
    for name, checksum in checksums.items():
        path = ROOT / name
        if not path.exists() or digest_of(path) != checksum:
            raise VendorError(
                f"{name} is missing or changed. Run `python vendor/fetch.py`, or take it from the repository."
            )
    every = [path for folder in (VENDOR, FOR_TESTS) for path in folder.rglob("*")]
    present = {str(path.relative_to(ROOT)) for path in every if path.is_file() and path != CHECKSUMS}
    if unknown := sorted(present - set(checksums)):
        raise VendorError(
            f"{', '.join(unknown)}: not in checksums.json. Name it in vendor/packages.json, or remove it."
        )


def main() -> int:
    """Run the command line; 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare the committed files")
    try:
        check_all() if parser.parse_args().check else fetch_all()
    except VendorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
