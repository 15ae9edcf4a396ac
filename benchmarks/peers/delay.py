"""A link with a round trip: a proxy that hands on what it gets some milliseconds later, both ways.

Run as a program: it listens at the delayed address of each host that is named, until it is ended.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.fleet import PORT
from benchmarks.peers.network import DELAYED_NET, delayed

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def slow_links(addresses: Sequence[str], round_trip: float) -> Iterator[None]:
    """While this lasts, each host is also reached at `delayed(address)`, `round_trip` seconds away."""
    route = ("local", f"{DELAYED_NET}.0.0/16", "dev", "lo")
    subprocess.run(["ip", "route", "replace", *route], check=True)  # one that was killed has left its own
    command = [sys.executable, "-m", "benchmarks.peers.delay", str(round_trip), *addresses]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait()
        subprocess.run(["ip", "route", "del", *route], check=True)


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Each piece is written when its time has come; the next is read meanwhile, so that the link has no other bound."""
    loop = asyncio.get_running_loop()
    due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        data = b"first"
        while data:
            try:
                data = await reader.read(1 << 16)
            except OSError:
                data = b""
            due.put_nowait((loop.time() + seconds, data))

    reading = asyncio.create_task(read())
    while True:
        at, data = await due.get()
        await asyncio.sleep(max(0, at - loop.time()))
        if not data:
            break
        writer.write(data)
    await reading
    writer.close()


async def _serve(round_trip: float, addresses: Sequence[str]) -> None:
    def handler(address: str):  # type: ignore[no-untyped-def]  # asyncio's own callback
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(round_trip)  # the kernel has answered at once for the host; TCP takes one round trip
            far_reader, far_writer = await asyncio.open_connection(address, PORT)
            await asyncio.gather(
                _hand_on(reader, far_writer, round_trip / 2), _hand_on(far_reader, writer, round_trip / 2)
            )

        return handle

    servers = [await asyncio.start_server(handler(address), delayed(address), PORT) for address in addresses]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), sys.argv[2:]))
