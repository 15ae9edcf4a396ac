from pathlib import Path

import pytest

from deployer_site.database_url import read_database, share_connections


@pytest.mark.parametrize("scheme", ["sqlite://", "sqlite:///"])
def test_sqlite_is_set_up_for_several_writers(tmp_path: Path, scheme: str) -> None:
    database = read_database("DATABASE_URL", f"{scheme}{tmp_path}/data.sqlite3")
    assert database["NAME"] == f"{tmp_path}/data.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ada:p%40ss@db.example:5433/deployer?sslmode=require",
            {"USER": "ada", "PASSWORD": "p@ss", "HOST": "db.example", "PORT": "5433", "NAME": "deployer"},
        ),
        ("postgres://%2FRun%2Fpg/deployer", {"HOST": "/Run/pg", "PORT": "", "NAME": "deployer", "USER": ""}),
        ("postgresql:///deployer?host=/run/postgresql", {"HOST": "/run/postgresql", "NAME": "deployer"}),
        ("postgresql://[::1]:5432/deployer", {"HOST": "::1", "PORT": "5432"}),
    ],
)
def test_it_reads_postgresql(url: str, expected: dict[str, str]) -> None:
    database = read_database("DATABASE_URL", url)
    assert {name: database[name] for name in expected} == expected


def test_it_passes_tls_options_on() -> None:
    assert read_database("DATABASE_URL", "postgresql://db/x?sslmode=require")["OPTIONS"]["sslmode"] == "require"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root@localhost/x",
        "deployer.sqlite3",
        "sqlite://",
        "sqlite:///",
        "sqlite:////tmp",
        "sqlite:///deployer.sqlite3",
        "sqlite:////no/such/folder/x.sqlite3",
        "sqlite://relative/path",
        "postgresql://host",
        "postgresql://host:port/x",
        "postgresql://host/x/y",
        "postgresql://host/x?options=-c%20log_statement=all",
    ],
)
def test_it_refuses_anything_else(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        read_database("DATABASE_URL", url)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("Wrong setting DATABASE_URL: ")


def test_it_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_database("DATABASE_URL", "mysql://root:canary@localhost/x")
    assert "canary" not in capsys.readouterr().err


def test_threads_share_connections_to_postgresql_alone(tmp_path: Path) -> None:
    far, near = read_database("X", "postgresql:///x?host=/run"), read_database("X", f"sqlite://{tmp_path}/x")
    before = {**near}
    share_connections(far)
    share_connections(near)
    assert (far["CONN_MAX_AGE"], far["OPTIONS"]["pool"]["max_size"]) == (0, 20)
    assert near == before
