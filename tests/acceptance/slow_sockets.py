"""Opens many sockets to a server and then says next to nothing: a program of its own, so that it costs its caller no time.

``python slow_sockets.py PORT COUNT``. The first line of output is written when all of them are open, the second when the
server has hung up on the last of them: how many it was, and the longest that one lived, in seconds.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time

_BEFORE = b"GET /healthz HTTP/1.1\r\nHost: relay.example\r\nX: "
_POST = b"POST /v1/sessions HTTP/1.1\r\nHost: relay.example\r\nContent-Length: 60000\r\n\r\n"
_AT_ONCE = 100


def _say(line: dict[str, float]) -> None:
    print(json.dumps(line), flush=True)


async def _linger(port: int, n: int, is_open: asyncio.Event) -> float:
    """One socket: every third says nothing, the others a byte a second of headers or of a body that nobody waits for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    is_open.set()
    writer.write((b"", _BEFORE, _POST)[n % 3])
    hung_up = asyncio.create_task(_until_hung_up(reader))
    while not hung_up.done():
        if n % 3:
            writer.write(b"a")
        await asyncio.wait([hung_up], timeout=1.0)
    writer.close()
    return time.monotonic() - began


async def _until_hung_up(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(4096):
            pass
    except ConnectionError:
        pass


async def main(port: int, count: int) -> None:
    lingering: list[asyncio.Task[float]] = []
    for some in range(0, count, _AT_ONCE):
        opened = [asyncio.Event() for _ in range(min(_AT_ONCE, count - some))]
        lingering += [asyncio.create_task(_linger(port, some + n, event)) for n, event in enumerate(opened)]
        await asyncio.gather(*(event.wait() for event in opened))
    _say({"open": count})
    lives = await asyncio.gather(*lingering)
    _say({"hung up": len(lives), "longest": max(lives), "shortest": min(lives)})


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
