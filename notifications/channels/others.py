"""Everything else, through Apprise (https://appriseit.com): Discord, Matrix, Teams, Telegram and some hundred more.

It runs in a process of its own, for it connects by itself: notifications.apprise_program.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from notifications.asking import Field, Told
from notifications.channels.letters import Asked, ChannelRefused, Letter, TryAgain

SECONDS = 40.0
LONGEST = 2000
ROOT = Path(__file__).resolve().parents[2]
TOLD = Told(
    "apprise",
    "Everything else",
    "Discord, Matrix, Teams, Telegram and some hundred more, by an address of Apprise.",
    (
        Field(
            "secret",
            "Address",
            "As https://appriseit.com says for each service: `discord://id/token`. It holds credentials, so it is "
            "kept sealed and shown nowhere.",
            "secret",
        ),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    url = asked.secret
    if "://" not in url or not url.isprintable() or " " in url or len(url) > LONGEST:
        return {"secret": "An address of Apprise begins with the name of a service and ://."}
    try:
        said = _run(url, "")
    except (TryAgain, ChannelRefused) as error:
        return {"secret": str(error)}
    return {"secret": said["refused"]} if said["refused"] else {}


def send(asked: Asked, letter: Letter) -> None:
    """Raises NotDelivered."""
    said = _run(asked.secret, harmless(letter.text))
    if said["refused"]:
        raise ChannelRefused(
            f"{said['refused']} CHANNEL_ADDRESSES={settings.CHANNEL_ADDRESSES} says which addresses are asked."
        )
    if not said["sent"]:
        raise TryAgain("The service did not take it, and Apprise does not say why. Are address and token right?")


def harmless(text: str) -> str:
    """Nobody is called (`@everyone`, `<@id>`), and nothing is a link that says one thing and leads to another."""
    return text.replace("@", "@\u2060").replace("<", "‹").replace(">", "›").replace("](", "] (")  # noqa: RUF001


def _run(url: str, text: str) -> dict[str, str]:
    """What the program says. Raises TryAgain, ChannelRefused."""
    asked = json.dumps({"url": url, "text": text, "policy": settings.CHANNEL_ADDRESSES})
    command = [sys.executable, "-m", "notifications.apprise_program"]
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, text=True, timeout=SECONDS, cwd=ROOT, check=False
        )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise TryAgain(f"The service did not take it within {SECONDS:.0f} s.") from None
    except ValueError:
        raise TryAgain("Apprise ended without a word.") from None
    return {"refused": str(said["refused"]), "sent": "yes" if said["sent"] else ""}
