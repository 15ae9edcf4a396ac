"""Make static/sounds/horn.wav, the shipping horn: two reeds, a fifth apart and a little out of tune, as on a ship.

    python vendor/horn.py

The same file each time; it is committed, so that nobody needs to run this.
"""

import math
import struct
import wave
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / "static" / "sounds" / "horn.wav"
RATE, SECONDS = 11_025, 1.7
ATTACK, RELEASE = 0.09, 0.5
REEDS = ((146.8, 1.0), (147.9, 0.6), (220.0, 0.7), (221.3, 0.4))  # hertz, loudness
HARMONICS = 9


def samples() -> bytes:
    """Sixteen bits each, mono."""
    count = int(RATE * SECONDS)
    wave_of = [_at(n / RATE) for n in range(count)]
    loudest = max(map(abs, wave_of))
    return struct.pack(f"<{count}h", *(round(30_000 * value / loudest) for value in wave_of))


def _at(second: float) -> float:
    rise = min(1.0, second / ATTACK)
    fall = min(1.0, max(0.0, SECONDS - second) / RELEASE)
    bend = 1 - 0.03 * math.exp(-second / 0.05)  # reeds begin a little flat
    tone: float = sum(
        loudness * math.sin(2 * math.pi * hertz * bend * harmonic * second) / math.pow(harmonic, 1.2)
        for hertz, loudness in REEDS
        for harmonic in range(1, HARMONICS + 1)
    )
    return tone * rise * fall * fall


def write(place: Path = PLACE) -> None:
    """The file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(place), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples())


if __name__ == "__main__":
    write()
