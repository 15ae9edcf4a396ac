"""A deploy that is over, with a log of any length: written into a running installation by its own models."""

SEED = """
import itertools
import secrets
from django.db import transaction
from django.utils import timezone
from deployments.models import Deploy, LogChunk, HostRun
lines, per_chunk, width, needle = {lines}, {per_chunk}, {width}, {needle}
now = timezone.now()
last = Deploy.objects.filter(target__application__name="storefront", target__environment__name="staging").first()

def text(n):
    found = " needle" if needle and n % needle == 0 else ""
    return f"\\x1b[32mline\\x1b[0m {{n}} of the log{{found}}" + " x" * ((width - 30) // 2)

with transaction.atomic():
    deploy = Deploy.objects.create(
        key=secrets.token_hex(8), target=last.target, number=last.number + 10_000, trigger="page", status="succeeded",
        ref=last.ref, revision=last.revision, release=last.release, by=last.by, by_name=last.by_name,
        started_at=now, finished_at=now, lines=lines, log_sha256="0" * 64,
    )
    hosts = [f"web-{{n:02}}" for n in range(12)]
    facts = dict(region="europe", status="live", switched_at=now, started_at=now, finished_at=now)
    HostRun.objects.bulk_create(
        HostRun(deploy=deploy, host_name=name, zone="abc"[n % 3], **facts) for n, name in enumerate(hosts)
    )
chunks = (
    LogChunk(
        deploy=deploy, host_name=hosts[first // per_chunk % 12], stream="stdout", at=now, first_n=first,
        last_n=min(lines, first + per_chunk - 1),
        text="\\n".join(map(text, range(first, min(lines, first + per_chunk - 1) + 1))),
    )
    for first in range(1, lines + 1, per_chunk)
)
while batch := list(itertools.islice(chunks, 80)):  # others write too, and do not wait for all of it
    LogChunk.objects.bulk_create(batch)
print(deploy.pk)
"""


def seed_code(*, lines: int, per_chunk: int = 50, width: int = 100, needle: int = 0) -> str:
    """What `manage.py shell -c` runs; it prints the deploy's id. Every `needle`th line holds the word."""
    return SEED.format(lines=lines, per_chunk=per_chunk, width=width, needle=needle)
