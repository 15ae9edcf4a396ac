"""What names, addresses, paths and refs from outside may look like: allow-lists, in one place."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39})")
_PATH = re.compile(r"[A-Za-z0-9._@+/-]{1,500}")
_REF = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/+#@=-]{0,198}[A-Za-z0-9_+#=-])?")
_SCP = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[A-Za-z0-9_~./+-]+)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

validate_name = RegexValidator(
    rf"\A{NAME}\Z",
    "Use lower-case letters, digits and hyphens (at most 63), beginning and ending with a letter or digit.",
)
validate_user = RegexValidator(
    r"\A[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z", "This is no user name of a host: letters, digits, dot, hyphen, underscore."
)
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
MOST_CHOSEN = 20
validate_umask = RegexValidator(r"\A[0-7]{3,4}\Z", "A umask has three or four octal digits, as 022.")
validate_shell = RegexValidator(
    r"\A[A-Za-z0-9_/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./=-]+)*\Z",
    "A shell wrapper is a program and its options in plain words, as `bash -lc`.",
)


# The first words of our own addresses; the address of a target begins with its application.
PAGES = frozenset(
    {
        *("activity", "add", "admin", "api", "applications", "changes", "deploys", "environments", "events", "healthz"),
        *(
            "hooks",
            "hosts",
            "insights",
            "join",
            "locks",
            "metrics",
            "readyz",
            "search",
            "settings",
            "signin",
            "signout",
        ),
        *("start", "static", "targets", "traffic", "waiting", "welcome", "where", "ws"),
    }
)


def validate_labels(value: object) -> None:
    """A list of `name=value`, each name once: hosts have all of them."""
    if not isinstance(value, list) or len(value) > MOST_CHOSEN:
        raise ValidationError(f"This must be a list of at most {MOST_CHOSEN} labels.")
    names = []
    for one in value:
        name, equals, text = one.partition("=") if isinstance(one, str) else ("", "", "")
        if not equals or not re.fullmatch(LABEL, name) or len(text) > 200 or not text.isprintable() or "," in text:
            raise ValidationError(f"{str(one)[:80]!r} is no label. Write it as `tier=front`.")
        names.append(name)
    if len(set(names)) < len(names):
        raise ValidationError("A host has one value for each label, so each is named once.")


def validate_no_page(value: str) -> None:
    if value in PAGES:
        raise ValidationError(f"{value!r} is the address of a page of the Deployer. Give the application another name.")


def validate_address(value: str) -> None:
    if not _ADDRESS.fullmatch(value) or ".." in value:
        raise ValidationError(f"{value!r} is no host name or IP address.")


def validate_root(value: str) -> None:
    """An absolute path that is not a system folder itself, or a folder below the SSH user's home (`~/shop`)."""
    path = PurePosixPath(value.replace("~/", "/home/user/", 1) if value.startswith("~/") else value)
    least = 4 if value.startswith("~/") else 3
    # written as programs on hosts take it: without a slash at the end, and none twice
    plain = _PATH.fullmatch(str(path)) and value == str(PurePosixPath(value))
    if not plain or not path.is_absolute() or ".." in path.parts or len(path.parts) < least:
        raise ValidationError(
            f"{value!r} must be an absolute path at least two folders deep, or one below ~/, "
            "in plain characters, without `..`."
        )


def validate_absolute(value: str) -> None:
    if not _PATH.fullmatch(value) or not value.startswith("/") or ".." in PurePosixPath(value).parts:
        raise ValidationError(f"{value!r} must be an absolute path in plain characters, without `..`.")


def validate_relative(value: str) -> None:
    path = PurePosixPath(value)
    wrong = value.startswith(("/", "-")) or ".." in path.parts or value != str(path) or value == "."
    if not _PATH.fullmatch(value) or wrong:
        raise ValidationError(f"{value!r} must be a path below the release, in plain characters, without `..`.")


def validate_no_control(value: str) -> None:
    if "\x00" in value:
        raise ValidationError("A command cannot contain a NUL character.")


def validate_artifact(value: str) -> None:
    """https://… (or http://…) with `{sha}` in its path; credentials are kept apart."""
    plain = value.replace("{sha}", "0" * 40)
    try:
        parts = urlsplit(plain)
        _ = parts.port
    except ValueError:
        raise ValidationError(f"{value!r} is no web address.") from None
    if parts.scheme not in {"https", "http"} or _CONTROL.search(value) or not _PATH.fullmatch(parts.path):
        raise ValidationError(f"{value!r}: a build is fetched by https:// or http://, from a path in plain characters.")
    if "{sha}" not in value or parts.query or parts.fragment or ".." in PurePosixPath(parts.path).parts:
        raise ValidationError(f"{value!r} needs {{sha}} where the revision stands, and has no query.")
    if parts.username is not None or parts.password is not None:
        raise ValidationError("Credentials do not belong into the address; store a user and a token instead.")
    validate_address(parts.hostname or "")


def validate_questions(value: object) -> None:
    """What a task asks for: a list of objects with `name` and, if wanted, `label`, `choices` and `default`."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValidationError("This must be a list of objects, one for each parameter.")
    names = [item.get("name") for item in value]
    if len(set(map(str, names))) < len(names):
        raise ValidationError("Two parameters have the same name.")
    for item in value:
        unknown = set(item) - {"name", "label", "choices", "default"}
        if unknown or not isinstance(item.get("name"), str):
            raise ValidationError("A parameter has a name, and may have a label, choices and a default.")
        validate_name(item["name"])
        choices = item.get("choices", [])
        texts = [item.get("label", ""), item.get("default", ""), *(choices if isinstance(choices, list) else [None])]
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise ValidationError(f"The parameter {item['name']} must have one-line texts; choices are a list of them.")
        if choices and item.get("default") and item["default"] not in choices:
            raise ValidationError(f"The default of {item['name']} is none of its choices.")


def validate_line(value: str) -> None:
    if _CONTROL.search(value) or not value.isprintable():
        raise ValidationError("This is one line of text, without control characters.")


def validate_endpoint_address(value: str) -> None:
    """What the address of an endpoint is made of; what its words may be is asked where an offer is set."""
    if not re.fullmatch(r"https?://[a-z0-9.{}-]+(?::(?:[0-9]{1,5}|\{port\}))?(?:/[\w.~/-]*)?", value, re.ASCII):
        raise ValidationError(f"{value!r} is no web address as https://{{application}}-{{endpoint}}.example.com.")


def validate_login(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}", value):
        raise ValidationError(f"{value!r} is no user name in plain characters.")


def validate_parameters(value: object) -> None:
    """The values of a preset's parameters: texts, numbers, truths and lists of texts by name."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValidationError("Parameters are an object: a value for each name.")
    for name, item in value.items():
        validate_name(name.replace("_", "-"))
        texts = item if isinstance(item, list) else [item]
        if not all(isinstance(text, str | int | float | bool) for text in texts):
            raise ValidationError(f"The parameter {name!r} must be a text, a number, a truth, or a list of those.")
        if any("\x00" in text for text in texts if isinstance(text, str)):
            raise ValidationError(f"The parameter {name!r} cannot contain a NUL character.")


def _each(value: object, check: object) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValidationError("This must be a list of texts.")
    for item in value:
        check(item)  # type: ignore[operator]


def validate_names(value: object) -> None:
    _each(value, validate_name)


def validate_patterns(value: str) -> None:
    """Patterns of hosts as in known_hosts, with commas between them."""
    one = r"!?[A-Za-z0-9*?\[][A-Za-z0-9.*?:_\[\]-]{0,259}"
    if not re.fullmatch(f"{one}(?:,{one})*", value) or ".." in value:
        raise ValidationError(f"{value[:80]!r} means no hosts. Write it as `*.example.com` or `[10.0.0.*]:2222`.")


def validate_absolutes(value: object) -> None:
    _each(value, validate_absolute)


def validate_relatives(value: object) -> None:
    _each(value, validate_relative)


def validate_ref(value: str) -> None:
    """A branch, tag or commit as people name it; never an option, a range or a reflog word (gitrevisions(7))."""
    wrong = ".." in value or "@{" in value or "//" in value or value.endswith((".lock", "/", "."))
    if not _REF.fullmatch(value) or wrong or any(part.startswith((".", "-")) for part in value.split("/")):
        raise ValidationError(f"{value!r} is no name of a branch, tag or commit.")


def validate_repository(value: str) -> None:
    """https://…, ssh://user@host/…, user@host:path or file:///…; nothing that git takes for an option or helper."""
    if _CONTROL.search(value) or value.startswith("-") or "::" in value or " " in value:
        raise ValidationError(f"{value!r} is no address of a repository.")
    if _SCP.fullmatch(value):
        return
    try:
        parts = urlsplit(value)
        _ = parts.port  # read here once: a number that is no port is only found when it is asked for
    except ValueError:
        raise ValidationError(f"{value!r} is no address of a repository.") from None
    if parts.scheme not in {"https", "ssh", "file"}:
        raise ValidationError(f"{value!r}: a repository is reached by https://, ssh://, user@host:path or file://.")
    # a folder of this machine may have spaces in its name, written as %20
    path = parts.path.replace("%20", "_") if parts.scheme == "file" else parts.path.replace("~", "")
    if parts.query or parts.fragment or ".." in PurePosixPath(path).parts or not _PATH.fullmatch(path):
        raise ValidationError(f"{value!r}: the path of the repository must be plain characters without `..`.")
    if parts.scheme == "file":
        if parts.netloc:
            raise ValidationError(f"{value!r}: a file:// address has three slashes and no host.")
        return
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        raise ValidationError("Credentials do not belong into the address; store a deploy key or a token instead.")
    if parts.username is not None:
        validate_user(parts.username)
    validate_address(parts.hostname or "")


def repository_host(value: str) -> str:
    """The git host of an SSH address as known_hosts names it (`host` or `[host]:port`), or "" for other kinds."""
    scp = _SCP.fullmatch(value)
    if scp:
        return scp["host"].lower()
    parts = urlsplit(value)
    if parts.scheme != "ssh":
        return ""
    host = (parts.hostname or "").lower()
    return f"[{host}]:{parts.port}" if parts.port not in (None, 22) else host
