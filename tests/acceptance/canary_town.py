"""Two hundred people with a text each, for a canary to look for, and the marketplace that they talk over.

Everything that Relay answers to anybody is kept, with its headers, to be looked through.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from relay.api.app import ENDPOINTS
from relay.api.call import Endpoint
from tests.acceptance.canary import Canary
from tests.acceptance.installation import Installation
from tests.acceptance.processes import ACCOUNT_SID, AUTH_TOKEN, START_WITHIN
from tests.acceptance.webhooks import signed

#: Nobody of area 202: the phone that is shown as an example in the API's description is one of those.
PEOPLE = [f"+1{area}55501{n:02}" for area in (305, 415, 212, 312) for n in range(50, 100)]
STRANGER = "+12065550199"
NORTH = [f"+161755501{n:02}" for n in range(6)]
SOUTH = [f"+151255501{n:02}" for n in range(6)]
WEST = "+15035550100"
_CODE = re.compile("([0-9]{6}) is your code")


def word(n: int) -> str:
    """What only the n-th person says."""
    return f"quokka{n:03}marmalade"


WORDS = [word(n) for n in range(len(PEOPLE))]


def canary() -> Canary:
    return Canary([*PEOPLE, STRANGER], WORDS)


def text_of(n: int) -> str:
    """The n-th person's text. Every tenth gives away whom they write to."""
    other = PEOPLE[n ^ 1]
    return f"{word(n)} é€😀" + (f" call {other} or ({other[2:5]}) {other[5:8]}-{other[8:]}" if n % 10 == 0 else "")


@dataclass(frozen=True, slots=True)
class Pair:
    """A session: its id, its two participants' ids, and the number that each of the two texts. ``first``: which person it is."""

    first: int
    id: str
    participants: tuple[str, str]
    numbers: tuple[str, str]


@dataclass(slots=True)
class Town:
    """The installation and its sessions. ``seen``: every answer; ``writers``: whose texts the carrier was thanked for;
    ``used``: the method and path of endpoints that did what they are for."""

    place: Installation
    http: httpx.AsyncClient
    seen: list[str] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    writers: set[str] = field(default_factory=set)
    used: set[tuple[str, str]] = field(default_factory=set)
    listener: str = ""  #: where a server of the marketplace's is, which writes what it is told into ``seen``
    _few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(12))

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """Ask the API, with the account's key."""
        content = None if body is None else json.dumps(body)
        return await self.ask_raw(method, path, content, **headers)

    async def ask_raw(self, method: str, path: str, content: str | None, **headers: str) -> httpx.Response:
        """The same in whatever words. Header names with underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"authorization": f"Bearer {self.place.key}", "content-type": "application/json"} | named
        async with self._few:
            answer = await self.http.request(method, path, content=content, headers=given)
        self.seen.append(f"{answer.headers.raw!r} {answer.text}")
        if answer.is_success:
            self.used |= {(e.method, e.path) for e in ENDPOINTS if e.method == method and _has(e, answer.url.path)}
        return answer

    async def made(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Ask for what has to succeed; returns the document."""
        answer = await self.ask(method, path, body, **headers)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    async def text(self, sender: str, number: str, text: str, *, media: int = 0) -> None:
        """A phone texts a number, by way of the carrier."""
        said = {"from": sender, "to": number, "text": text, "media": media}
        async with self._few:
            told = (await self.place.carrier.post("/control/texts", json=said)).json()
        assert 200 <= told["status"] < 300, told
        self.writers.add(sender)

    async def say(self, n: int, text: str | None = None, *, media: int = 0) -> None:
        """The n-th person writes, their own text unless another is given."""
        pair = self.pairs[n // 2]
        await self.text(PEOPLE[n], pair.numbers[n % 2], text or text_of(n), media=media)

    async def webhook(self, path: str, form: dict[str, str], *, token: str = AUTH_TOKEN) -> httpx.Response:
        """The carrier calls an address of this connection's, with whatever it says, signed."""
        address = f"{self.place.url}/hooks/{self.place.connection}/{path}"
        headers, body = signed(token, address, {"AccountSid": ACCOUNT_SID, **form})
        answer = await self.http.post(address, headers=headers, content=body)
        self.seen.append(f"{answer.headers.raw!r} {answer.text}")
        return answer

    async def open(self, first: int, **more: object) -> None:
        """Open the session of two neighbours; again under the same key, which changes nothing."""
        people = [{"phone": PEOPLE[first], "label": "rider"}, {"phone": PEOPLE[first + 1], "label": "driver"}]
        body = {"participants": people, "metadata": {"order": f"no. {first}"}, **more}
        made = await self.made("POST", "/v1/sessions", body, idempotency_key=f"open {first}")
        if first % 20 == 0:
            again = await self.ask("POST", "/v1/sessions", body, idempotency_key=f"open {first}")
            assert again.headers["idempotent-replayed"] == "true"
        one, other = made["participants"]
        numbers = one["proxy_number"], other["proxy_number"]
        self.pairs.append(Pair(first, made["id"], (one["id"], other["id"]), numbers))

    async def messages(self, pair: Pair) -> list[dict[str, Any]]:
        return list((await self.made("GET", f"/v1/sessions/{pair.id}/messages"))["data"])

    async def code_for(self, phone: str) -> str:
        """The newest code on this phone, once it has arrived."""
        codes: list[str] = []

        def newest(ledger: list[dict[str, Any]]) -> list[str]:
            return [found[1] for row in ledger if row["to"] == phone and (found := _CODE.match(row["text"]))]

        async def look() -> bool:
            codes[:] = newest(await self.place.ledger())
            return bool(codes)

        await eventually(look)
        return codes[-1]

    async def in_the_database(self, question: str) -> Any:
        """One value, as the database has it."""
        connection = await asyncpg.connect(self.place.dsn)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()


def _has(endpoint: Endpoint, path: str) -> bool:
    pattern = endpoint.path.replace("{id}", "[^/]+").replace("{pid}", "[^/]+").replace("{path:path}", ".+")
    return re.fullmatch(pattern, path) is not None


async def eventually(look: Callable[[], Awaitable[bool]], *, within: float = START_WITHIN) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if await look():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen in time")
