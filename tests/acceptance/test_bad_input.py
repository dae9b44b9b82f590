"""Bad input and bad luck against ``relay serve`` itself: each is a clear word, and nothing is lost or half-done."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from relay.storage import database, migrate
from relay.storage.embedded import EmbeddedServer, find_binaries, start_embedded
from tests.acceptance.installation import Installation, installed
from tests.acceptance.processes import start
from tests.api.wire import ALIVE, HOST, LONG_HEADERS, NO_HTTP

pytestmark = pytest.mark.long

NUMBERS = [f"+120255501{n:02}" for n in range(4)]
PEOPLE = [f"+141555501{n:02}" for n in range(50, 58)]
BACK_WITHIN = 10.0  # seconds


@dataclass(slots=True)
class OwnServer:
    """A PostgreSQL server that belongs to one test, to be killed and started again where it was."""

    folder: Path
    server: EmbeddedServer

    def start_again(self) -> None:
        self.server = _start(self.folder)


def _start(folder: Path) -> EmbeddedServer:
    binaries = find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)
    return start_embedded(folder, binaries=binaries)


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """With the schema of this version."""
    folder = tmp_path_factory.mktemp("own")

    async def prepare(dsn: str) -> None:
        db = await database.connect(dsn, connections=2)
        await migrate.migrate(db)
        await db.close()

    own = OwnServer(folder, _start(folder))
    asyncio.run(prepare(own.server.dsn))
    yield own
    own.server.stop()


@dataclass(slots=True)
class Talkers:
    """People who text each other without a pause. ``refused`` is what a carrier would send again."""

    place: Installation
    numbers: list[str]
    said: list[str]
    refused: list[tuple[str, dict[str, str], bytes]]

    async def talk(self, client: httpx.AsyncClient, count: int) -> None:
        """Every fiftieth of a second somebody says something, whether or not the last text was taken."""
        saying = []
        for _ in range(count):
            n = len(self.said)
            self.said.append(f"text {n}")
            webhook = self.place.webhook(
                PEOPLE[2 * (n % len(self.numbers))], self.numbers[n % len(self.numbers)], f"text {n}"
            )
            saying.append(asyncio.create_task(self.say(client, webhook)))
            await asyncio.sleep(0.02)
        await asyncio.gather(*saying)

    async def say(self, client: httpx.AsyncClient, webhook: tuple[str, dict[str, str], bytes]) -> None:
        url, headers, body = webhook
        answer = await client.post(url, headers=headers, content=body)
        assert (answer.status_code, answer.headers.get("retry-after")) in {(204, None), (503, "2")}
        if answer.status_code == 503:
            self.refused.append(webhook)

    async def say_again(self, client: httpx.AsyncClient) -> float:
        """Send what was refused until it is taken; returns the seconds until the first one was."""
        began, first = time.monotonic(), 0.0
        while self.refused:
            webhook = self.refused.pop()
            await self.say(client, webhook)
            taken = webhook not in self.refused
            first = first or (time.monotonic() - began if taken else 0.0)
            await asyncio.sleep(0 if taken else 0.1)
        return first


def _opening(place: Installation) -> dict[str, Any]:
    """A request for a session, made repeatable by its key."""
    headers = {"authorization": f"Bearer {place.key}", "idempotency-key": "once"}
    people = [{"phone": PEOPLE[6]}, {"phone": PEOPLE[7]}]
    return {"json": {"participants": people, "unique_name": "trip-991"}, "headers": headers}


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_nothing_is_lost_or_doubled_when_the_database_goes_away_and_comes_back(
    own_server: OwnServer, tmp_path: Path, how: str
) -> None:
    async with (
        installed(tmp_path, own_server.server.dsn, numbers=NUMBERS) as place,
        httpx.AsyncClient(base_url=place.url, timeout=20) as client,
    ):
        process = await place.api(worker=True)
        numbers = [(await place.open(PEOPLE[2 * i], PEOPLE[2 * i + 1]))[1] for i in range(3)]
        people = Talkers(place, numbers, [], [])
        await people.talk(client, 25)
        talking = asyncio.create_task(people.talk(client, 25))
        await asyncio.sleep(0.25)
        own_server.server.kill() if how == "killed" else own_server.server.stop()
        await talking
        away = [await client.post("/v1/sessions", **_opening(place)), await client.get("/readyz")]
        alive = await client.get("/healthz")
        own_server.start_again()
        back_after = await people.say_again(client)
        opened = [await client.post("/v1/sessions", **_opening(place)) for _ in range(2)]
        sessions = (await place.call("GET", "/v1/sessions"))["data"]
        left = await _left(place, len(people.said))
        stopped = process.stop()

    assert [(a.status_code, a.headers["retry-after"]) for a in away] == [(503, "2")] * 2
    assert away[0].json()["code"] == "storage_unavailable"
    assert alive.status_code == 200
    assert 0 < back_after < BACK_WITHIN
    assert [(a.status_code, a.headers.get("idempotent-replayed")) for a in opened] == [(201, None), (201, "true")]
    assert [s["unique_name"] for s in sessions].count("trip-991") == 1
    assert left == dict.fromkeys(people.said, 1)
    assert stopped == 0


async def _left(place: Installation, count: int) -> Counter[str]:
    """What has left for people, once it is as much as expected, and a moment later."""
    for _ in range(400):
        if len(await place.ledger()) >= count:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    return Counter(entry["text"] for entry in await place.ledger())


async def test_it_ends_with_one_clear_line_when_its_port_is_in_use(dsn: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = {"RELAY_DATABASE_URL": dsn, "RELAY_DATA_DIR": str(tmp_path)}
        process = start(["-m", "relay", "serve", "--port", str(port)], tmp_path / "log", environment)
        code = await asyncio.to_thread(process.child.wait, 20)
        process.stop()

    assert code == 1
    (line,) = process.log.read_text().strip().splitlines()
    assert line == f"relay: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port"


async def _answer_to(url: str, said: bytes) -> bytes:
    """Everything that is answered before the server hangs up."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(said)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def test_it_turns_away_what_is_no_http_and_goes_on_when_strangers_knock(dsn: str, tmp_path: Path) -> None:
    two_lengths = b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    async with installed(tmp_path, dsn, numbers=NUMBERS) as place:
        process = await place.api()
        no_http = await asyncio.gather(*(_answer_to(place.url, said) for said in NO_HTTP))
        too_long = await asyncio.gather(*(_answer_to(place.url, said) for said in LONG_HEADERS))
        both = await _answer_to(place.url, b"POST /v1/sessions HTTP/1.1\r\n" + HOST + two_lengths)
        alive = await _answer_to(place.url, ALIVE + b"Connection: close\r\n\r\n")
        account = await place.call("GET", "/v1/account")
        lines = process.log.read_text().splitlines()

    assert {answer.partition(b"\r\n")[0] for answer in no_http} == {b"HTTP/1.1 400 Bad Request"}
    assert {answer.partition(b"\r\n")[0] for answer in too_long} == {b"HTTP/1.1 431 Request Header Fields Too Large"}
    assert both.startswith(b"HTTP/1.1 400 ")
    assert alive.endswith(b'{"alive":true}')
    assert account["name"] == "market"
    assert {json.loads(line)["event"] for line in lines} <= {"ready", "library", "api_request"}
