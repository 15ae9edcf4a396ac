"""The pieces of a page: found in its HTML, marked, and compared with what a browser has."""

import pytest

from deployments.pieces import MARK, Page, Unbalanced, read_page

HTML = """<html><head><title>2 &lt; 3</title><link rel="icon" href="/i.svg" type="image/svg+xml"></head>
<body data-topics="event host/web-1"><main id="main">
<div data-piece="now"><div>one <div>deep</div></div></div><a href="/">x</a>
<table><tbody><tr data-piece="row-shop" class="x"><td><time datetime="2026-01-01">3 min</time></td></tr>
<tr data-piece="row-till"><td>4</td></tr></tbody></table>
<section data-piece="form"><form>
<input name="csrfmiddlewaretoken" value="abc"><b data-piece="inner">b</b></form></section>
</main></body></html>"""


def marks_of(page: Page) -> str:
    return "".join(piece.mark for piece in page.pieces)


def test_it_finds_pieces_with_all_that_is_in_them() -> None:
    page = read_page(HTML)
    assert [piece.name for piece in page.pieces] == ["now", "row-shop", "row-till", "form"]
    now = page.pieces[0]
    assert HTML[now.begin : now.end] == '<div data-piece="now"><div>one <div>deep</div></div></div>'


def test_it_writes_the_marks_at_the_pieces_and_at_the_main_part() -> None:
    page = read_page(HTML)
    html = page.marked("t4g")
    for piece in page.pieces:
        assert f'data-mark="{piece.mark}" data-piece="{piece.name}"' in html
    assert '<main data-tag="t4g" id="main">' in html
    assert html.count("data-mark") == 4


def test_a_browser_with_the_same_marks_lacks_nothing() -> None:
    page = read_page(HTML)
    assert page.beyond(marks_of(page)) == {}


def test_it_lacks_what_has_changed_and_nothing_else() -> None:
    marks = marks_of(read_page(HTML))
    lacks = read_page(HTML.replace("<td>4</td>", "<td>5</td>")).beyond(marks)
    assert list(lacks) == ["row-till"]
    assert lacks["row-till"].endswith('data-piece="row-till"><td>5</td></tr>')


@pytest.mark.parametrize(("old", "new"), [("3 min", "4 min"), ('value="abc"', 'value="def"')])
def test_what_differs_each_time_is_no_change(old: str, new: str) -> None:
    assert read_page(HTML.replace(old, new)).beyond(marks_of(read_page(HTML))) == {}


def test_another_time_is_a_change() -> None:
    assert list(read_page(HTML.replace("2026-01-01", "2026-01-02")).beyond(marks_of(read_page(HTML)))) == ["row-shop"]


@pytest.mark.parametrize("marks", ["", "x", "y" * 4 * MARK, "z" * 100])
def test_with_marks_that_are_none_a_browser_lacks_everything(marks: str) -> None:
    assert len(read_page(HTML).beyond(marks)) == 4


def test_the_shape_is_the_names_in_their_order() -> None:
    shape = read_page(HTML).shape
    assert read_page(HTML.replace("deep", "deeper")).shape == shape
    assert read_page(HTML.replace("row-till", "row-pier")).shape != shape


def test_it_tells_what_stands_outside_of_the_pieces() -> None:
    assert read_page(HTML).head() == {"title": "2 &lt; 3", "icon": "/i.svg", "topics": "event host/web-1"}


def test_an_element_that_is_never_closed_is_a_mistake_of_ours() -> None:
    with pytest.raises(Unbalanced, match="never closed"):
        read_page('<div data-piece="x"><div></div>')
