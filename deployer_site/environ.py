"""Reading settings from environment variables.

A wrong value stops the start with one sentence and exit code 2: nothing runs on a guess.
"""

import base64
import binascii
import os
import re
import secrets
import sys
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

WRONG_SETTING = 2
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
LEAST_SECRET_KEY = 32
LEAST_METRICS_TOKEN = 16


def refuse(name: str, *, what: str) -> NoReturn:
    """Stop the start: `what` says what is wrong with the variable and what to write instead, never a secret value."""
    print(f"Wrong setting {name}: {what} Nothing was started.", file=sys.stderr)
    raise SystemExit(WRONG_SETTING)


def read_text(name: str, *, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def read_bool(name: str, *, default: bool) -> bool:
    text = read_text(name).lower()
    if not text:
        return default
    if text not in TRUE | FALSE:
        refuse(name, what=f"{text!r} is neither yes nor no. Write 1 or 0.")
    return text in TRUE


def read_int(name: str, *, default: int, least: int, most: int) -> int:
    text = read_text(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        refuse(name, what=f"{text!r} is not a whole number from {least} to {most}.")
    return int(text)


def read_name(name: str) -> str:
    """A name as hosts and regions have them, or "" when it is not set."""
    text = read_text(name)
    if text and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        refuse(name, what=f"{text!r} is no name. Write lower-case letters, digits and hyphens.")
    return text


def read_list(name: str, *, default: tuple[str, ...] = ()) -> list[str]:
    """Words separated by commas or spaces."""
    return read_text(name).replace(",", " ").split() or list(default)


def read_choice(name: str, *, default: str, choices: tuple[str, ...]) -> str:
    text = read_text(name, default=default)
    if text not in choices:
        refuse(name, what=f"{text!r} is not known. Write one of {', '.join(choices)}.")
    return text


def read_secret(name: str) -> str:
    """The variable, or the content of the file that `<name>_FILE` names; empty when neither is set."""
    text, file = read_text(name), read_text(f"{name}_FILE")
    if text and file:
        refuse(name, what=f"both {name} and {name}_FILE are set. Keep one of them.")
    if not file:
        return text
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{name}_FILE", what=f"{file} cannot be read ({error.__class__.__name__}). Name a readable text file.")
    if not text:
        refuse(f"{name}_FILE", what=f"{file} is empty. Put the value into it or unset the variable.")
    return text


def read_folder(name: str, *, default: Path) -> Path:
    folder = Path(read_text(name, default=str(default))).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        refuse(name, what=f"{folder} is not a folder. Name a folder that may be written.")
    return folder


def read_folders(name: str) -> list[Path]:
    """Absolute folders separated by commas."""
    folders = [Path(text.strip()) for text in read_text(name).split(",") if text.strip()]
    for folder in folders:
        if not folder.is_absolute():
            refuse(name, what=f"{folder} is not an absolute path. Write it from the root, like /srv/git.")
    return folders


def read_time_zone(name: str, *, default: str) -> str:
    text = read_text(name, default=default)
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        refuse(name, what=f"{text!r} is not a known time zone. Write one like UTC or Europe/London.")
    return text


def keep_secret(file: Path, *, generate: Callable[[], str]) -> str:
    """The content of `file`; the first caller of all processes generates it (mode 0600), the others read the same."""
    try:
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(generate() + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            try:
                # A link, not a rename: it fails when another process was first, whose secret may be in use already.
                os.link(draft, file)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        refuse("VAR", what=f"{file} cannot be read or written ({error.strerror}). Name a folder that may be written.")
    if not text:
        refuse("VAR", what=f"{file} is empty. Restore it from a backup; a new one cannot read what is stored.")
    return text


def generate_secret_key() -> str:
    return secrets.token_urlsafe(48)


def generate_encryption_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode("ascii")


def check_encryption_keys(name: str, keys: list[str]) -> list[str]:
    for place, key in enumerate(keys, start=1):
        try:
            whole = len(base64.urlsafe_b64decode(key.encode("ascii"))) == 32
        except (binascii.Error, ValueError):
            whole = False
        if not whole:
            refuse(name, what=f"key {place} of {len(keys)} is not a Fernet key (32 bytes, URL-safe base64).")
    return keys
