"""Columns that no list tells of: to ask for whole rows that others point to costs more than to show what they say.

Each is for `defer(...)`, with the way to the row: `untold("target", TARGET)`. Who needs one after all gets it by a
query of its own, so that nothing is wrong; the numbers of queries that tests hold say where that happens.
"""

PERSON = (
    *("password", "email", "last_login", "date_joined", "is_staff", "horn", "horn_volume", "day_ends"),
    *("calendar_digest", "session_mark"),
)
APPLICATION = (
    *("deploy_key", "https_user", "https_token", "artifact_sha256_url", "artifact_user", "artifact_token"),
    *("build_command", "build_output", "build_time_limit"),
)
TARGET = (
    *("root", "user", "path_prepend", "shell", "umask", "keep", "linked_dirs", "linked_files", "labels"),
    *("needed", "needed_per_region", "on_failure", "catch_up", "drift_minutes", "command", "command_time_limit"),
    *("configuration_env", "configuration_json", "configuration_files", "configuration_at", "approval_hours"),
    *("last_number", "fence"),
)
DEPLOY = ("key", "plan", "recipe", "log_sha256", "lines", "confirmed", "cancelled_at")  # plans and recipes are large
LOCK = ("end_told", "released_by_name", "how", "reservation")
RELEASE = ("size", "imported", "created_at")


def untold(path: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names as they are called from a row that `path` leads from; "" for the row itself."""
    return tuple(f"{path}__{name}" for name in names) if path else names


def untold_of_target(path: str = "target") -> tuple[str, ...]:
    """Of a target and its application."""
    return untold(path, TARGET) + untold(f"{path}__application" if path else "application", APPLICATION)


def untold_of_waiting() -> tuple[str, ...]:
    """Of open deploys with their targets, the people who want them, and the locks that they met."""
    people = untold("by", PERSON) + untold("let_go_by", PERSON)
    return DEPLOY + untold_of_target() + people + untold("met_lock", LOCK)
