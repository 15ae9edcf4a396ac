from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer_site import environ


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("SOMETHING", raising=False)
    monkeypatch.delenv("SOMETHING_FILE", raising=False)
    return "SOMETHING"


@pytest.mark.parametrize(("text", "value"), [("1", True), ("yes", True), ("ON", True), ("0", False), ("no", False)])
def test_it_reads_yes_and_no(variable: str, monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv(variable, text)
    assert environ.read_bool(variable, default=not value) is value


def test_an_empty_variable_is_the_default(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, " ")
    assert environ.read_bool(variable, default=True) is True
    assert environ.read_int(variable, default=7, least=1, most=9) == 7
    assert environ.read_list(variable, default=("a",)) == ["a"]


@pytest.mark.parametrize("text", ["maybe", "2"])
def test_it_refuses_what_is_neither_yes_nor_no(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SystemExit) as stopped:
        environ.read_bool(variable, default=True)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        f"Wrong setting SOMETHING: '{text}' is neither yes nor no. Write 1 or 0. Nothing was started.\n"
    )


@pytest.mark.parametrize("text", ["0", "10", "-1", "1.5", "٣", "x"])
def test_it_refuses_numbers_out_of_range(variable: str, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SystemExit):
        environ.read_int(variable, default=5, least=1, most=9)


def test_it_reads_a_secret_from_a_file(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    monkeypatch.setenv("SOMETHING_FILE", str(tmp_path / "secret"))
    assert environ.read_secret(variable) == "hidden"


def test_it_refuses_a_secret_given_twice(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOMETHING", "hidden")
    monkeypatch.setenv("SOMETHING_FILE", str(tmp_path / "secret"))
    with pytest.raises(SystemExit):
        environ.read_secret(variable)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_it_refuses_a_file_without_a_secret(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SOMETHING_FILE", str(file))
    with pytest.raises(SystemExit):
        environ.read_secret(variable)


def test_no_complaint_shows_a_secret(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        environ.check_encryption_keys(variable, [environ.generate_encryption_key(), "canary"])
    words = capsys.readouterr().err
    assert "key 2 of 2" in words
    assert "canary" not in words


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key"
    with ThreadPoolExecutor(16) as pool:
        tries = [pool.submit(environ.keep_secret, file, generate=environ.generate_secret_key) for _ in range(64)]
    assert len({attempt.result() for attempt in tries}) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["key"]


def test_an_empty_kept_secret_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("")
    with pytest.raises(SystemExit):
        environ.keep_secret(file, generate=environ.generate_secret_key)
    assert file.read_text() == ""


@pytest.mark.parametrize("text", ["eu-west", "eu-west-1", "a"])
def test_a_name_is_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", text)
    assert environ.read_name("SOME_NAME") == text


@pytest.mark.parametrize("text", ["EU", "eu west", "-eu", "eu;", "a" * 64])
def test_what_is_no_name_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", text)
    with pytest.raises(SystemExit):
        environ.read_name("SOME_NAME")
