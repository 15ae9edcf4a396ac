"""One history from the logs and folders of several hosts."""

from datetime import UTC, datetime

from deployments.capistrano.history import History, rolled_back_from, tell
from deployments.capistrano.roots import Root, read
from deployments.host_values import Mark

A, B, C = "20260101100000", "20260102100000", "20260103100000"
ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40


def deployed(name: str, revision: str, by: str = "ada") -> str:
    return f"Branch main (at {revision}) deployed as release {name} by {by}"


def back(name: str, by: str = "bob") -> str:
    return f"{by} rolled back to release {name}"


def names(history: History) -> list[tuple[str, bool, tuple[str, ...]]]:
    return [(past.name, past.rollback, past.hosts) for past in history.past]


def test_marks_become_a_root() -> None:
    root = read(
        [
            Mark("current", f"{B} 1767261600"), Mark("release", f"{A} {ONE}"), Mark("release", f"{B} -"),
            Mark("strange", "2"), Mark("lines", "1"), Mark("log", "a b  c"), Mark("told"),
        ]
    )  # fmt: skip
    since = datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert root == Root(B, since, releases={A: ONE, B: ""}, strange=2, lines=1, log=["a b  c"])
    assert read([Mark("current", "-")]) == read([Mark("nothing")]) == Root()


def test_what_several_hosts_tell_is_one_deploy() -> None:
    one = Root(C, log=[deployed(A, ONE), deployed(B, TWO), back(A), back(A), deployed(C, THREE)])
    two = Root(C, log=[deployed(B, TWO), back(A), deployed(C, THREE)])
    assert names(tell({"one": one, "two": two})) == [
        (A, False, ("one",)),
        (B, False, ("one", "two")),
        (A, True, ("one", "two")),
        (A, True, ("one",)),
        (C, False, ("one", "two")),
    ]


def test_an_entry_says_who_when_and_what() -> None:
    (past,) = tell({"one": Root(log=[deployed(A, ONE, "Grace Hopper") + "\t"])}).past
    assert (past.by, past.ref, past.revision) == ("Grace Hopper", "main", ONE)
    assert (past.at, past.timed) == (datetime(2026, 1, 1, 10, tzinfo=UTC), True)


def test_only_the_last_rollback_has_a_time_of_its_own() -> None:
    since = datetime(2026, 2, 1, tzinfo=UTC)
    root = Root(A, since, log=[deployed(A, ONE), deployed(B, TWO), back(A), back(A)])
    *_, middle, last = tell({"one": root}).past
    assert (middle.at, middle.timed) == (datetime(2026, 1, 2, 10, tzinfo=UTC), False)
    assert (last.at, last.timed) == (since, True)


def test_a_release_without_a_line_is_told_by_its_folder() -> None:
    (past,) = tell({"one": Root(A, releases={A: ONE}), "two": Root(releases={A: ONE})}).past
    assert (past.name, past.revision, past.by, past.hosts) == (A, ONE, "", ("one", "two"))


def test_the_longer_revision_counts() -> None:
    assert tell({"one": Root(log=[deployed(A, ONE[:7])], releases={A: ONE})}).past[0].revision == ONE
    assert tell({"one": Root(log=[deployed(A, ONE)], releases={A: ONE[:7]})}).past[0].revision == ONE
    old = tell({"one": Root(log=[f"Branch master deployed as release {A} by ada"], releases={A: ONE})}).past[0]
    assert (old.revision, old.ref) == (ONE, "master")


def test_hosts_that_disagree_are_named() -> None:
    history = tell({"one": Root(releases={A: ONE, B: TWO}), "two": Root(releases={A: TWO, B: TWO})})
    assert history.disagreeing == [A]


def test_who_was_rolled_back_from_is_known() -> None:
    log = [deployed(A, ONE), deployed(B, TWO), back(A), deployed(C, THREE)]
    assert rolled_back_from(tell({"one": Root(log=log)}).past) == {B}
    assert rolled_back_from(tell({"one": Root(log=[*log, back(B), back(B)])}).past) == {C}


def test_lines_that_say_nothing_are_named_and_ours_are_passed_over() -> None:
    ours = f"2026-01-03T10:00:00.123Z {A}-1111111 {ONE} was - deploy 1 by Ada Lovelace"
    strange = deployed("20261399000000", ONE)
    history = tell({"one": Root(log=[ours, back(f"{A}-1111111"), "", "hello", strange])})
    assert (history.past, history.unread) == ([], ["one: hello", f"one: {strange}"])
