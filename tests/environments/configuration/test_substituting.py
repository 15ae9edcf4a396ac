"""${NAME} in files: names alone, an escape, and an error that says where."""

import pytest

from environments.configuration.substituting import PlaceUnknown, substitute

VALUES = {"HOST": "db-1", "EMPTY": "", "ODD": "${HOST} \\1 $${X}"}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("", ""),
        ("host=${HOST}\n", "host=db-1\n"),
        ("${HOST}${HOST}", "db-1db-1"),
        ("[${EMPTY}]", "[]"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$${HOST}"),
        ("$HOST $(HOST) $1 $$ {HOST} 100$", "$HOST $(HOST) $1 $$ {HOST} 100$"),
        ("${ODD}", "${HOST} \\1 $${X}"),  # what a value says is not looked at again
    ],
)
def test_places_are_filled(text: str, becomes: str) -> None:
    assert substitute(text, VALUES, file="a") == becomes


@pytest.mark.parametrize("place", ["${NOPE}", "${host}", "${HOST:-x}", "${", "${}", "${HOST", "${$(id)}", "${HO\nST}"])
def test_what_cannot_be_filled_is_told_with_file_and_line(place: str) -> None:
    with pytest.raises(PlaceUnknown) as told:
        substitute(f"a=1\nb=${{HOST}}\nc={place}\n", VALUES, file="config/app.conf")
    assert (told.value.file, told.value.line) == ("config/app.conf", 3)
    assert str(told.value).startswith("config/app.conf, line 3: ")
