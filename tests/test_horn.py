"""The horn is what its script makes, short, and small enough for a page."""

import runpy
import wave
from pathlib import Path

HORN = runpy.run_path(str(Path(__file__).resolve().parent.parent / "vendor" / "horn.py"))
PLACE: Path = HORN["PLACE"]


def test_the_committed_file_is_what_the_script_makes(tmp_path: Path) -> None:
    HORN["write"](tmp_path / "horn.wav")
    assert (tmp_path / "horn.wav").read_bytes() == PLACE.read_bytes()


def test_it_is_heard_and_short() -> None:
    with wave.open(str(PLACE)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
        loud = max(abs(int.from_bytes(sound.readframes(1), "little", signed=True)) for _ in range(sound.getnframes()))
    assert 1 < seconds < 2
    assert loud > 20_000
    assert PLACE.stat().st_size < 50_000
