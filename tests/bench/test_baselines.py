"""The baselines do what they are measured at: real processes, a real PostgreSQL, and a stand-in for the carrier alone.

A baseline that loses, doubles or believes anything would be fast for the wrong reason.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from relay.sandbox.carrier.webhooks import sign
from relay.storage.embedded import EmbeddedServer, find_binaries
from tests.bench.baselines.builds import BUILDS, HTTP_ALONE, NAIVE, Build
from tests.bench.baselines.pgbench import CYCLE, CYCLE_50, PgbenchFailed, Script, pgbench
from tests.bench.baselines.tables import furnish, pending
from tests.databases import in_database

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SID, TOKEN = "AC" + "b" * 32, "7e57" * 8
NUMBER, RIDER, STRANGER = "+12025550100", "+12025550177", "+12025550166"
OTHER_NUMBER, DRIVER = "+46701740605", "+46701740677"
BASIC = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()

with_one_process = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Carrier:
    """Takes texts as the provider does. The receipt of a text that says "early" comes before its answer."""

    client: httpx.AsyncClient
    texts: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """A text is handed over."""
        if request.headers.get("Authorization") != BASIC:
            return web.Response(status=401)
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.texts.append(form)
        if form["Body"] == "early":
            await self.report(form["StatusCallback"], "delivered")
        return web.json_response({"sid": f"SM{len(self.texts):032x}", "status": "queued"}, status=201)

    async def report(self, url: str, status: str, *, token: str = TOKEN) -> int:
        """Post a receipt; the status of its answer."""
        return await self.post(url, {"MessageSid": "SM" + "0" * 32, "MessageStatus": status}, token=token)

    async def post(self, url: str, form: dict[str, str], *, token: str) -> int:
        """Post a signed form with the blank fields that the provider sends, too."""
        form = {"AccountSid": SID, "FromCity": "", **form}
        answer = await self.client.post(url, data=form, headers={"X-Twilio-Signature": sign(token, url, form)})
        return answer.status_code


@dataclass(frozen=True, slots=True)
class Running:
    """A build that answers at `url`, and what stands around it."""

    url: str
    dsn: str
    carrier: Carrier

    async def receive(self, body: str, *, sid: str = "", sender: str = RIDER, token: str = TOKEN) -> int:
        """The carrier posts a text; the status of the answer."""
        form = {"Body": body, "From": sender, "MessageSid": sid or fresh_sid(), "NumMedia": "0", "To": NUMBER}
        return await self.carrier.post(f"{self.url}/inbound", form, token=token)

    async def sent(self, body: str) -> list[dict[str, str]]:
        """What the carrier was handed with this body, once nothing is left to be sent."""

        async def nothing_left() -> bool:
            return await pending(self.dsn) == 0

        await until(nothing_left)
        return [text for text in self.carrier.texts if text["Body"] == body]

    async def states(self, body: str) -> list[tuple[str, bool]]:
        """The state of each message with this body, and whether the carrier's id of it is known."""
        found = "select state, outbound_sid is not null from message where body = $1"
        return [(state, known) for state, known in await query(self.dsn, found, body)]


def fresh_sid() -> str:
    return "SM" + secrets.token_hex(16)


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            if await look():
                return
            await asyncio.sleep(0.02)


async def query(dsn: str, statement: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
        return rows
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def tables(pg_server: EmbeddedServer) -> Iterator[str]:
    """A database with the baselines' tables and one conversation."""
    dsn = in_database(pg_server.dsn, "baselines")
    asyncio.run(query(pg_server.dsn, "create database baselines"))
    asyncio.run(furnish(dsn, [(NUMBER, RIDER, OTHER_NUMBER, DRIVER), (OTHER_NUMBER, DRIVER, NUMBER, RIDER)]))
    yield dsn
    asyncio.run(query(pg_server.dsn, "drop database baselines with (force)"))


@asynccontextmanager
async def running(build: Build, dsn: str) -> AsyncIterator[Running]:
    """The build's process from its first answer to its end, with a carrier beside it."""
    for module in build.needs:
        pytest.importorskip(module, reason=f"{module} is not installed: it is in the extra `bench`")
    client = httpx.AsyncClient(timeout=10)
    carrier = Carrier(client)
    app = web.Application()
    app.router.add_post(f"/2010-04-01/Accounts/{SID}/Messages.json", carrier.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(build, dsn, port=port, carrier_port=runner.addresses[0][1])
    try:
        async with client:  # closed first: gunicorn waits for open connections before it ends
            await until(lambda: answers(client, url))
            yield Running(url, dsn, carrier)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)
        await runner.cleanup()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def start(build: Build, dsn: str, *, port: int, carrier_port: int) -> subprocess.Popen[bytes]:
    environment = {
        "BENCH_DATABASE_URL": dsn,
        "BENCH_CARRIER_URL": f"http://127.0.0.1:{carrier_port}",
        "BENCH_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BENCH_PORT": str(port),
        "BENCH_ACCOUNT_SID": SID,
        "BENCH_AUTH_TOKEN": TOKEN,
    }
    return subprocess.Popen(build.command(port), cwd=ROOT, env={**os.environ, **environment})


async def answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/healthz")).status_code == 200
    except httpx.TransportError:
        return False  # it does not listen yet


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BUILDS, ids=lambda build: build.name)
async def relay(request: pytest.FixtureRequest, tables: str) -> AsyncIterator[Running]:
    await query(tables, "truncate message")
    async with running(request.param, tables) as build:
        yield build


@with_one_process
async def test_a_text_goes_on_from_the_other_number_when_it_arrives(relay: Running) -> None:
    status = await relay.receive("Zwölf Uhr, am Tor & hinten? +1 % 🚪")

    [text] = await relay.sent("Zwölf Uhr, am Tor & hinten? +1 % 🚪")

    assert status == 204
    assert (text["From"], text["To"]) == (OTHER_NUMBER, DRIVER)
    assert await relay.states(text["Body"]) == [("accepted", True)]


@with_one_process
async def test_a_text_goes_once_when_copies_of_it_arrive(relay: Running) -> None:
    sid = fresh_sid()

    statuses = await asyncio.gather(*[relay.receive("copied", sid=sid) for _ in range(4)])
    statuses.append(await relay.receive("copied", sid=sid))

    assert statuses == [204] * 5
    assert len(await relay.sent("copied")) == 1


@with_one_process
async def test_a_text_is_refused_when_its_signature_is_forged(relay: Running) -> None:
    status = await relay.receive("forged", token="0" * 32)

    assert status == 403
    assert await relay.sent("forged") == []
    assert await relay.states("forged") == []


@with_one_process
async def test_nothing_is_sent_when_a_stranger_texts(relay: Running) -> None:
    status = await relay.receive("strange", sender=STRANGER)

    assert status == 204
    assert await relay.sent("strange") == []


@with_one_process
async def test_a_message_is_delivered_when_its_receipt_says_so(relay: Running) -> None:
    await relay.receive("to be delivered")
    [text] = await relay.sent("to be delivered")

    forged = await relay.carrier.report(text["StatusCallback"], "failed", token="0" * 32)
    statuses = [
        await relay.carrier.report(text["StatusCallback"], said) for said in ("delivered", "sent", "unheard_of")
    ]

    assert (forged, statuses) == (403, [204] * 3)
    assert await relay.states("to be delivered") == [("delivered", True)]


@with_one_process
async def test_a_message_stays_delivered_when_its_receipt_outran_the_answer(relay: Running) -> None:
    async def both_are_noted() -> bool:
        return await relay.states("early") == [("delivered", True)]

    await relay.receive("early")

    await until(both_are_noted)
    assert len(await relay.sent("early")) == 1


async def test_a_stored_text_is_sent_when_the_naive_build_starts(tables: str) -> None:
    await query(
        tables,
        "insert into message (inbound_sid, sender, recipient, body) values ($1, $2, $3, 'left over')",
        *(fresh_sid(), OTHER_NUMBER, DRIVER),
    )

    async with running(NAIVE, tables) as relay:
        sent = await relay.sent("left over")

    assert [text["To"] for text in sent] == [DRIVER]


async def test_http_alone_hands_over_what_it_is_told(tables: str) -> None:
    async with running(HTTP_ALONE, tables) as relay:
        status = await relay.receive("in at one door & out at the other")

        async def is_handed_over() -> bool:
            return bool(relay.carrier.texts)

        await until(is_handed_over)
        [text] = relay.carrier.texts
        reported = await relay.carrier.report(text["StatusCallback"], "delivered")

    assert (status, reported) == (204, 204)
    assert (text["From"], text["To"]) == (OTHER_NUMBER, DRIVER)
    assert text["Body"] == "in at one door & out at the other"


@pytest.mark.parametrize("script", [CYCLE, CYCLE_50], ids=lambda script: script.file)
def test_every_message_is_delivered_when_pgbench_runs(tables: str, script: Script) -> None:
    asyncio.run(query(tables, "truncate cycle.inbound, cycle.message, cycle.attempt, cycle.outbox"))

    rate = pgbench(tables, script, clients=4, seconds=1, binaries=programs(), warm_seconds=1)

    whole = """
        select (select count(*) from cycle.inbound) as came,
               (select count(*) from cycle.message where state = 'delivered' and outbound_sid is not null) as delivered,
               (select count(*) from cycle.attempt where outcome = 'accepted') as tried,
               (select count(*) from cycle.outbox) as waiting
    """
    [count] = asyncio.run(query(tables, whole))
    assert rate > 0
    assert count["came"] == count["delivered"] == count["tried"]
    assert count["came"] > 0
    assert count["waiting"] == 0


def test_no_figure_is_given_when_pgbench_stops_half_way(tables: str) -> None:
    asyncio.run(query(tables, "alter table cycle.outbox add constraint now_and_then check (random() > 0.02)"))

    with pytest.raises(PgbenchFailed, match="now_and_then") as failed:
        pgbench(tables, CYCLE, clients=2, seconds=1, binaries=programs(), warm_seconds=1)
    asyncio.run(query(tables, "alter table cycle.outbox drop constraint now_and_then"))

    assert "north door" not in str(failed.value)


def programs() -> Path:
    binaries = find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)
    if not (binaries / "pgbench").exists():
        pytest.skip("this PostgreSQL comes without pgbench")
    return binaries
