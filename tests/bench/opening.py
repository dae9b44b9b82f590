"""Sessions over HTTP: opened with an Idempotency-Key each, and read; a client asks again when it has its answer."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import aiohttp
import phonenumbers

from tests.bench.place import Place
from tests.bench.talks import phone

_SECONDS = 8.0
_NOBODY_YET, _LAST = 20_000, 39_000  #: people who are in none of the sessions that were there before


@dataclass(slots=True)
class Opening:
    """What some clients do for a while; each method returns how long it took in all, and how long each answer did."""

    place: Place
    opened: list[str] = field(default_factory=list)
    _couples: Iterator[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._couples = _couples()

    async def sessions(self, clients: int) -> tuple[float, list[float]]:
        """Open sessions between people who have none."""
        return await self._for_a_while(clients, self._open)

    async def reads(self, clients: int) -> tuple[float, list[float]]:
        """Read sessions that were opened before."""
        return await self._for_a_while(clients, self._read)

    async def _open(self, client: aiohttp.ClientSession) -> None:
        one, other = next(self._couples)
        pool = f"pool {random.randrange(self.place.pools)}"
        wanted = {"pool": pool, "participants": [{"phone": one}, {"phone": other}], "geo_match": "any"}
        headers = {"idempotency-key": secrets.token_hex(16), "content-type": "application/json"}
        async with client.post("/v1/sessions", data=json.dumps(wanted), headers=headers) as answer:
            answered = await answer.json()
            if answer.status != 201:
                raise AssertionError(f"a session was answered {answer.status}: {answered.get('code')}")
            self.opened.append(answered["id"])

    async def _read(self, client: aiohttp.ClientSession) -> None:
        wanted = random.choice(self.opened)
        async with client.get(f"/v1/sessions/{wanted}") as answer:
            await answer.read()
            if answer.status != 200:
                raise AssertionError(f"a read was answered {answer.status}")

    async def _for_a_while(
        self, clients: int, ask: Callable[[aiohttp.ClientSession], Awaitable[None]]
    ) -> tuple[float, list[float]]:
        took: list[float] = []
        began = time.monotonic()

        async def again_and_again(client: aiohttp.ClientSession) -> None:
            while (asked := time.monotonic()) < began + _SECONDS:
                await ask(client)
                took.append(time.monotonic() - asked)

        headers = {"authorization": f"Bearer {self.place.key}"}
        async with aiohttp.ClientSession(self.place.url, headers=headers) as client:
            await asyncio.gather(*(again_and_again(client) for _ in range(clients)))
        return time.monotonic() - began, took


def _couples() -> Iterator[tuple[str, str]]:
    """Two people whose phones the API takes. Not every area code that loads are made of exists."""
    for n in range(_NOBODY_YET, _LAST, 2):
        couple = phone(n), phone(n + 1)
        parsed = [phonenumbers.parse(one) for one in couple]
        if all(phonenumbers.region_code_for_number(one) == "US" and _is_a_persons(one) for one in parsed):
            yield couple


def _is_a_persons(parsed: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
