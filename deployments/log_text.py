"""The log of a deploy as plain text, to read, keep and compare."""

import re
from collections.abc import AsyncIterator, Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from deployments.addresses import of_deploy
from deployments.log import Line
from deployments.log_reading import pieces
from deployments.pages import deploy_or_404
from environments.access import VIEW, needs
from environments.validation import NAME


@require_GET
@needs(VIEW, of_deploy)
def log_text(request: HttpRequest, deploy_id: int) -> HttpResponseBase:
    """`TIME HOST TEXT` per line, or `?plain=1`: only the texts, whose SHA-256 the API tells; `?host=`: one host."""
    deploy = deploy_or_404(deploy_id)
    host = request.GET.get("host", "")
    if host and not re.fullmatch(NAME, host):
        return HttpResponse(f"{host!r} is no name of a host.\n", "text/plain; charset=utf-8", 400)
    name = f"{deploy.target.slug.replace('/', '-')}-{deploy.number}.log"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'inline; filename="{name}"'}
    text = _plain if request.GET.get("plain") == "1" else _full
    lines = _text(deploy.pk, host, text)
    return StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8", headers=headers)


async def _text(deploy_id: int, host: str, text: Callable[[Line], str]) -> AsyncIterator[bytes]:
    async for lines in pieces(deploy_id, host=host):
        yield "".join(text(line) for line in lines).encode()


def _full(line: Line) -> str:
    return f"{line.at} {line.host or '-'} {line.text}\n"


def _plain(line: Line) -> str:
    return line.text + "\n"
