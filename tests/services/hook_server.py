"""An account's own server, over a real socket: what it was asked, and what a test has it answer."""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from relay.core.hooks import HookKind, OnTimeout
from relay.providers.guarded import open_guarded_transport
from relay.providers.lookups import Resolver
from relay.services.hooks.asking import Job
from relay.storage.configuration import Pool
from relay.storage.database import Database
from tests.providers.broken_carriers import read_request, server
from tests.services.rig import Rig, make_rig

ALLOW, REFUSE = b'{"action":"allow"}', b'{"action":"refuse"}'
Answer = Callable[[Mapping[str, Any]], Awaitable[bytes | None]]


def answered(body: bytes, status: int = 200) -> bytes:
    """A whole HTTP answer."""
    return b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


async def allows(question: Mapping[str, Any]) -> bytes | None:
    """Refuses what begins with "bad", and allows all else."""
    return answered(REFUSE if str(question["text"]).startswith("bad") else ALLOW)


@dataclass(slots=True)
class HookServer:
    """``answer`` says what is written back; None hangs up."""

    url: str = ""
    answer: Answer = allows
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0

    async def handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        head, _, body = (await read_request(reader)).partition(b"\r\n\r\n")
        lines = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        self.headers.append({name.lower(): value for name, value in lines})
        self.bodies.append(body)
        self.asked.append(json.loads(body))
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            if (said := await self.answer(self.asked[-1])) is not None:
                writer.write(said)
                await writer.drain()
        finally:
            self.open_now -= 1

    @property
    def texts(self) -> list[str]:
        return [str(question["text"]) for question in self.asked]


@asynccontextmanager
async def hook_server(*, token: str = "/hook?token=hidden") -> AsyncIterator[HookServer]:
    """Serve on loopback."""
    hook = HookServer()
    async with server(hook.handle) as base:
        hook.url = base + token
        yield hook


@asynccontextmanager
async def rig_on_trial(
    db: Database, *, answers: httpx.AsyncBaseTransport | None = None, resolver: Resolver | None = None
) -> AsyncIterator[Rig]:
    """A marketplace whose hooks may stand on this machine."""
    async with open_guarded_transport(loopback_allowed=True, resolver=resolver) as guarded:
        yield await make_rig(db, answers=answers, guarded=guarded, loopback_webhooks=True)


async def set_hook(
    rig: Rig,
    pool: Pool,
    url: str,
    *,
    seconds: int = 5,
    on_timeout: OnTimeout = OnTimeout.REFUSE,
    kind: HookKind = HookKind.INTERCEPT,
) -> str:
    """Give a pool a hook; returns its secret, empty where it had one."""
    wanted = rig.relay.hooks.read(kind, url, seconds, on_timeout)
    return await rig.relay.hooks.set(pool, wanted) or ""


async def ask_all(rig: Rig, pool: Pool) -> int:
    """Ask about the first text of each leg, all at once; returns how many those were."""
    jobs = await jobs_of(rig, pool.bucket)
    await asyncio.gather(*(job.ask() for job in jobs))
    return len(jobs)


async def jobs_of(rig: Rig, bucket: int) -> list[Job]:
    """Every question that is to be asked now."""
    desks = (rig.relay.interception, rig.relay.out_of_session)
    return [job for desk in desks for job in await desk.due(bucket, limit=100, busy_pools=(), asking=())]
