"""What may come in from outside: by allow-lists, so that what nobody thought of is refused too."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models

from deployments.host_values import GitSource, Place
from environments import validation
from environments.configuration.errors import NameRefused
from environments.configuration.names import check_name
from environments.locks.errors import WrongWords
from environments.locks.words import read_reason
from environments.models import Application, Step, Target
from environments.validation import repository_host

NASTY = [
    "a;id",
    "a$(id)",
    "a`id`",
    "a&&id",
    "a|id",
    "a>b",
    "a\nb",
    "a\x00b",
    "a\rb",
    "a\tb",
    "a'b",
    'a"b',
    "a\\b",
    "a\uff1bid",
    "a\u2028b",
    "a\u202eb",
    "../../etc",
    "-oProxyCommand=x",
    "--upload-pack=x",
    "a b",
    "a*",
    "a?",
    "a{b,c}",
    "~root/x",
    "a\x1eb",
]

GOOD: dict[str, list[str]] = {
    "validate_name": ["a", "shop", "eu-west-a-01", "x" * 63, "0"],
    "validate_user": ["deploy", "_www", "a.b-c_d", "D"],
    "validate_umask": ["022", "0077"],
    "validate_shell": ["sh -c", "bash -lc", "/usr/bin/env zsh -c"],
    "validate_address": ["web-01", "web-01.example.org", "10.0.0.1", "2001:db8::1", "::1"],
    "validate_endpoint_address": [
        "https://{application}-{endpoint}.staging.example.org",
        "http://{endpoint}.{application}.localhost:{port}/shop/",
        "http://{application}-{endpoint}.example.org:8080",
    ],
    "validate_artifact": ["https://ci.example.org/builds/shop-{sha}.tar.gz", "http://10.0.0.5:8081/{sha}/shop.tgz"],
    "validate_login": ["ci", "robot@example.org"],
    "validate_root": ["/srv/shop", "/home/deploy/apps/shop", "~/shop", "~/apps/shop-1.2"],
    "validate_absolute": ["/usr/local/bin", "/opt/ruby-3.3/bin"],
    "validate_relative": ["log", "public/uploads", ".env", "a/b/c.d"],
    "validate_ref": ["main", "v1.2.3", "feature/a_b-c", "release/2026+1", "a@b", "fix#12", "x=y", "0123abc"],
    "validate_repository": [
        "https://git.example.org/team/shop.git",
        "https://git.example.org:8443/~ada/shop.git",
        "ssh://git@git.example.org:2222/shop.git",
        "git@git.example.org:team/shop.git",
        "git@git.example.org:/srv/git/shop.git",
        "file:///srv/git/shop.git",
        "file:///Users/ada/My%20Projects/shop.git",
    ],
}
BAD: dict[str, list[str]] = {
    "validate_name": ["", "A", "-a", "a-", "a_b", "x" * 64, "ä", "a.b"],
    "validate_user": ["", "-root", "1a", "a" * 33, "ä"],
    "validate_umask": ["", "22", "8", "0999", "00222"],
    "validate_shell": ["", "-c", "sh  -c", "sh -c;", "sh\n-c", "sh -c $x"],
    "validate_address": ["", "-web", "web-", "a..b", "web_01", "user@host", "host:22", "[::1]", "a/b"],
    "validate_root": [
        "",
        "/",
        "/srv",
        "srv/shop",
        "~",
        "~/",
        "~ada/shop",
        "/srv/../etc",
        "/srv/a b",
        "/srv/shop/",
        "/srv//a",
        "/srv/./a",
    ],
    "validate_absolute": ["", "usr/bin", "/usr/../bin", "/a:b"],
    "validate_relative": ["", ".", "/etc", "../x", "a/../b", "a//b", "a/", "-x", "./a"],
    "validate_ref": ["", "-x", "a..b", "@{u}", "x@{1}", "a~1", "a^", "a:b", "a.lock", ".a", "a/.b", "a//b", "a/", "a."],
    "validate_repository": [
        "",
        "/srv/git/shop.git",
        "ext::sh -c id",
        "http://git.example.org/shop.git",
        "git://git.example.org/shop.git",
        "ssh://-oProxyCommand=id/shop.git",
        "https://ada@git.example.org/shop.git",
        "https://ada:pw@git.example.org/shop.git",
        "file://server/shop.git",
        "file:///srv/../etc/shop.git",
        "git@git.example.org:",
        "https://git.example.org/shop.git?x",
        "https://git.example.org:99999/shop.git",
        "ssh://git@git.example.org:git/shop.git",
        "https://[::1/shop.git",
        "file:///srv/%2e%2e/etc/shop.git",
        "file:///srv/a%00b.git",
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_it_takes(name: str, value: str) -> None:
    getattr(validation, name)(value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_it_refuses(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        getattr(validation, name)(value)
    assert refused.value.messages[0].endswith("."), "a sentence"


@pytest.mark.parametrize("root", GOOD["validate_root"])
@pytest.mark.parametrize("url", GOOD["validate_repository"])
def test_what_is_taken_here_can_be_sent_to_a_host(root: str, url: str) -> None:
    for umask, shell in zip(GOOD["validate_umask"], GOOD["validate_shell"], strict=False):
        Place(root, "shop/staging", tuple(GOOD["validate_absolute"]), shell, umask)
    for ref in GOOD["validate_ref"]:
        GitSource(url, "0" * 40, ref)


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("name", [name for name in GOOD if name != "validate_shell"])
def test_nothing_that_a_shell_or_git_could_misread_comes_in(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        getattr(validation, name)(value)


@pytest.mark.parametrize("value", [None, "a", {"a": 1}, [1], [None], ["a", ["b"]], ["ok", "a;id"]])
@pytest.mark.parametrize(
    "check", [validation.validate_names, validation.validate_absolutes, validation.validate_relatives]
)
def test_a_list_is_a_list_of_good_texts(check: Callable[[object], None], value: object) -> None:
    with pytest.raises(ValidationError):
        check(value)


def text_fields() -> list[tuple[type[models.Model], str]]:
    """Every field of environments into which a person can type a text."""
    free = {"password", "first_name", "last_name", "email", "accepted_by", "source", "https_user", "key", "algorithm"}
    # no form writes these rows
    by_verbs = {
        "Lock",
        "LockRequest",
        "LockQuestion",
        "ConfigurationValue",
        "FetchedSecrets",
        "Grant",
        "Reservation",
        "SpentLink",
        "Freeze",
        "Endpoint",
        "Heartbeat",
        "SignInProvider",
        "GroupMapping",
        "Identity",
    }
    return [
        (model, field.name)
        for model in apps.get_app_config("environments").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.CharField | models.TextField)
        and field.editable
        and not field.choices
        and field.name not in free
        and model.__name__ not in {"User", "Token", "SignInLink", "KeyPair", "HostKey", "GitHostKey", *by_verbs}
        and (model.__name__, field.name) != ("HostSource", "via")  # read as a line of hosts is, which refuses the rest
    ]


@pytest.mark.parametrize(("model", "name"), text_fields())
def test_every_text_field_has_an_allow_list(model: type[models.Model], name: str) -> None:
    field: Any = model._meta.get_field(name)
    refused = 0
    for value in NASTY:
        try:
            field.clean(value, None)
        except ValidationError:
            refused += 1
    free = name in ("command", "build_command", "description")  # any text but NUL; any line
    wanted = 1 if free else len(NASTY)
    assert refused >= (wanted if name not in ("shell", "patterns") else len(NASTY) - 2)


@pytest.mark.parametrize("value", NASTY)
def test_what_verbs_take_is_one_plain_line_or_refused(value: str) -> None:
    with pytest.raises(NameRefused):
        check_name(value)
    try:
        taken = read_reason(value, "why")
    except WrongWords:
        return
    assert taken.isprintable()
    assert taken.split() == value.split(), "as it was written, on one line"


def test_a_step_is_never_quiet_for_longer_than_it_may_take(db: None) -> None:
    with pytest.raises(ValidationError, match="The silence limit is longer"):
        Step(name="build", command="x", time_limit=10, silence_limit=11).clean()


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("git@git.example.org:a/b.git", "git.example.org"),
        ("git@GIT.example.org:a/b.git", "git.example.org"),
        ("ssh://git@git.example.org/a.git", "git.example.org"),
        ("ssh://git@git.example.org:22/a.git", "git.example.org"),
        ("ssh://git@git.example.org:2222/a.git", "[git.example.org]:2222"),
        ("https://git.example.org/a.git", ""),
        ("file:///srv/a.git", ""),
    ],
)
def test_the_git_host_is_named_as_known_hosts_does(address: str, host: str) -> None:
    assert repository_host(address) == host


def test_models_use_these_rules() -> None:
    with pytest.raises(ValidationError) as refused:
        Application(name="A b", repository="ext::x", default_branch="a..b").full_clean(validate_unique=False)
    assert set(refused.value.message_dict) == {"name", "repository", "default_branch"}
    with pytest.raises(ValidationError) as refused:
        Target(root="/etc", user="-x", shell="$(id)", umask="9", linked_dirs=["../x"], path_prepend=["x"]).full_clean(
            exclude=["application", "environment"], validate_unique=False, validate_constraints=False
        )
    assert set(refused.value.message_dict) == {"root", "user", "shell", "umask", "linked_dirs", "path_prepend"}
