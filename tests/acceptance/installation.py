"""A production installation in pieces: one database, a simulated carrier, and as many ``relay`` processes as a test wants.

Between Relay and the carrier stands a ``Line``: it passes bytes on, or holds them so that nobody ever answers.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from relay.core.ids import IdKind, Seed, public
from relay.core.model import OnAmbiguous, Scope
from relay.core.phone import parse_number
from relay.services.numbers import NumberWanted
from relay.settings import read_settings
from relay.vault import keyring, keyring_file
from relay.wiring import open_relay
from tests.acceptance.processes import ACCOUNT_SID, AUTH_TOKEN, Process, running_carrier, start, until
from tests.acceptance.webhooks import text_webhook

#: Waits that a test has no time for.
QUICK = {
    "RELAY_LEASE": "1.0",
    "RELAY_ASK_AFTER": "[0.3, 1.0]",
    "RELAY_GIVE_UP_AFTER": "2.0",
    "RELAY_ABANDONED_AFTER": "4.0",
    "RELAY_SEND_DEADLINE": "3.0",
    "RELAY_CONNECT_TIMEOUT": "1.0",
    "RELAY_UPKEEP_PERIOD": "0.2",
    "RELAY_LOG_LEVEL": "info",
    "RELAY_LEG_RATE": "0",  # more is said in a moment than people say
    "RELAY_PERSON_RATE": "0",
}


class Line:
    """A loopback TCP relay. While ``held``, what Relay says goes nowhere and nobody answers."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self.held = False
        self.heard = 0  #: connections on which something was said while held
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Closing comes first and awaits nothing, so that whoever is cancelled here leaves no socket open.
        with closing(writer):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            with closing(far_writer):
                ways = [
                    asyncio.create_task(self._pass(reader, far_writer, may_hold=True)),
                    asyncio.create_task(self._pass(far_reader, writer, may_hold=False)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_hold: bool) -> None:
        while data := await reader.read(65536):
            if may_hold and self.held:
                self.heard += 1
                continue
            writer.write(data)
            await writer.drain()


@dataclass(slots=True)
class Installation:
    """Processes share ``environment``; the API listens where ``url`` says."""

    folder: Path
    dsn: str
    url: str
    key: str
    connection: str
    environment: dict[str, str]
    carrier: httpx.AsyncClient
    line: Line
    processes: list[Process] = field(default_factory=list)
    _serial: Any = field(default_factory=lambda: itertools.count(1))

    async def api(self, *, worker: bool = False, processes: int = 1) -> Process:
        """Start ``relay serve``, with or without a worker in it, and wait until all its processes are ready."""
        arguments = ["serve", "--port", str(urlsplit(self.url).port), "--workers", str(processes)]
        process = await self._start([*arguments, *([] if worker else ["--api-only"])])
        await until(lambda: [line["event"] for line in process.lines()].count("ready") == processes, process)
        return process

    async def worker(self) -> Process:
        return await self._start(["worker"])

    async def _start(self, arguments: Sequence[str]) -> Process:
        log = self.folder / f"{arguments[0]}-{next(self._serial)}.log"
        process = start(["-m", "relay", *arguments], log, self.environment)
        self.processes.append(process)
        await process.logged("ready")
        return process

    async def call(self, method: str, path: str, body: object = None) -> Any:
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            answer = await client.request(method, path, json=body, headers={"authorization": f"Bearer {self.key}"})
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def open(self, one: str, other: str, **more: object) -> tuple[str, str, str]:
        """Open a session; returns its id and the numbers that the two people text."""
        people = [{"phone": one}, {"phone": other}]
        session = await self.call("POST", "/v1/sessions", {"participants": people, **more})
        first, second = (p["proxy_number"] for p in session["participants"])
        return session["id"], first, second

    def webhook(self, sender: str, number: str, text: str) -> tuple[str, dict[str, str], bytes]:
        """A signed inbound webhook with an id of its own, to be posted as often as a test likes."""
        sid = f"SM{next(self._serial):032x}"
        url = f"{self.url}/hooks/{self.connection}/inbound"
        return url, *text_webhook(url, sid=sid, sender=sender, number=number, text=text)

    async def text(self, sender: str, number: str, text: str) -> int:
        """A person texts a number; returns the status that the carrier was answered."""
        url, headers, body = self.webhook(sender, number, text)
        async with httpx.AsyncClient(timeout=20) as client:
            return (await client.post(url, headers=headers, content=body)).status_code

    async def ledger(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await self.carrier.get("/control/ledger")).json()
        return rows

    async def weather(self, **faults: object) -> None:
        answer = await self.carrier.put("/control/weather", json=faults)
        assert answer.status_code < 300, answer.text


@asynccontextmanager
async def installed(
    folder: Path, dsn: str, *, numbers: Sequence[str], rate: float = 50.0, policy: OnAmbiguous = OnAmbiguous.PARK
) -> AsyncIterator[Installation]:
    """An account, a connection and a pool of these numbers in a migrated database; no process of Relay runs yet."""
    async with running_carrier(folder) as carrier:
        line = Line(str(carrier.base_url))
        url = f"http://127.0.0.1:{_free_port()}"
        ring = folder / "keyring.json"
        keyring_file.save_new(keyring.make(), ring)
        environment = {
            **QUICK,
            "RELAY_DATABASE_URL": dsn,
            "RELAY_KEYRING": str(ring),
            "RELAY_PUBLIC_URL": url,
            "RELAY_CARRIER_URL": await line.open(),
        }
        key, connection = await _set_up(dsn, ring, numbers, rate=rate, policy=policy)
        place = Installation(folder, dsn, url, key, connection, environment, carrier, line)
        try:
            yield place
        finally:
            for process in place.processes:
                if process.child.poll() is None:
                    process.kill()
            await line.close()


async def _set_up(dsn: str, ring: Path, numbers: Sequence[str], *, rate: float, policy: OnAmbiguous) -> tuple[str, str]:
    async with open_relay(read_settings(keyring=ring), dsn) as relay:

        async def seed() -> Seed:
            at = await relay.database.now()
            return Seed(at, int(at.timestamp() * 1e6).to_bytes(10, "big"))

        account = await relay.accounts.add("market")
        await relay.accounts.change(account.id, {"on_ambiguous": policy})
        key = await relay.keys.add(account, name="test", scopes=list(Scope))
        credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
        connection = await relay.connections.add(account, "twilio", credentials, await seed())
        pool = await relay.pools.add(account, "default", await seed())
        for number in numbers:
            wanted = NumberWanted(parse_number(number), pool, connection.id, rate)
            await relay.numbers.add(account, wanted, await seed())
        return key, public(IdKind.CONNECTION, connection.id)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
