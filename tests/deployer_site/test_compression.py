"""What is streamed is compressed as one: a browser reads all of it, and each piece when it comes."""

import zlib
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from deployer_site.compression import Compression

PIECES = [f"piece {number} {'of a log ' * 50}\n".encode() for number in range(20)]


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


def answer(response: Any, accepts: str = "gzip, br") -> Any:
    request = HttpRequest()
    request.META["HTTP_ACCEPT_ENCODING"] = accepts
    return Compression(lambda _: response)(request)


async def test_a_stream_is_one_file_and_each_piece_can_be_read_at_once() -> None:
    streamed = answer(StreamingHttpResponse(pieces()))
    assert streamed["Content-Encoding"] == "gzip"
    assert streamed["Vary"] == "Accept-Encoding"
    reader, read = zlib.decompressobj(31), []
    async for packed in streamed:
        assert not reader.eof, "a browser would leave out this piece"
        read.append(reader.decompress(packed))
    assert reader.eof
    assert not reader.unused_data
    assert read == [*PIECES, b""]


async def test_the_length_of_what_is_sent_is_not_that_of_the_content_alone() -> None:
    lengths = set()
    for _ in range(20):
        lengths.add(sum([len(packed) async for packed in answer(StreamingHttpResponse(pieces()))]))
    assert len(lengths) > 1


async def test_who_does_not_ask_for_it_gets_it_plain() -> None:
    streamed = answer(StreamingHttpResponse(pieces()), accepts="br")
    assert "Content-Encoding" not in streamed
    assert [piece async for piece in streamed] == PIECES


async def test_what_is_compressed_already_is_left_so() -> None:
    streamed = answer(StreamingHttpResponse(pieces(), headers={"Content-Encoding": "zstd"}))
    assert [piece async for piece in streamed] == PIECES


def test_a_page_is_compressed_as_before() -> None:
    page = answer(HttpResponse(b"".join(PIECES)))
    assert zlib.decompress(page.content, 31) == b"".join(PIECES)
    assert page["Content-Length"] == str(len(page.content))
