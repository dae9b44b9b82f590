"""A marketplace's own program: opens and closes sessions over HTTP, lets people text, and writes down what it did."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any

import httpx

from tests.acceptance.oracle import Closed, Entry, Log, Opened, Texted

#: In every text, so that one look finds any of them wherever it may have been left.
MARK = "quokka marmalade"


class Marketplace:
    """Talks to a sandbox: the API as a marketplace, the carrier as the people's phones."""

    def __init__(self, sandbox: dict[str, Any]) -> None:
        headers = {"authorization": f"Bearer {sandbox['api_key']}"}
        limits = httpx.Limits(max_connections=32)
        self.api = httpx.AsyncClient(base_url=sandbox["url"], headers=headers, timeout=60, limits=limits)
        self.carrier = httpx.AsyncClient(base_url=sandbox["carrier_url"], timeout=60, limits=limits)
        self.connection: str = sandbox["connection"]
        self.log = Log()
        self.answers: list[str] = []  #: every body that the API has answered
        self.clock = 0.0
        self._words = itertools.count(1)

    async def close(self) -> None:
        await self.api.aclose()
        await self.carrier.aclose()

    async def call(self, method: str, path: str, body: object = None, *, status: int | None = None) -> Any:
        answer = await self.api.request(method, path, json=body)
        while answer.status_code == 429:
            await asyncio.sleep(int(answer.headers["retry-after"]))
            answer = await self.api.request(method, path, json=body)
        self.answers.append(answer.text)
        if status is not None:
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    async def pool(self, name: str, numbers: Sequence[str], *, rate: float) -> None:
        await self.call("POST", "/v1/pools", {"name": name}, status=201)
        for number in numbers:
            body = {"number": number, "pool": name, "connection": self.connection, "rate": rate}
            await self.call("POST", "/v1/numbers", body, status=201)

    async def open(self, one: str, other: str, **more: object) -> Opened:
        people = [{"phone": one, "label": "one"}, {"phone": other, "label": "other"}]
        session = await self.call("POST", "/v1/sessions", {"participants": people, **more}, status=201)
        numbers = {one: session["participants"][0]["proxy_number"], other: session["participants"][1]["proxy_number"]}
        opened = Opened(self.log.next(), session["id"], numbers)
        self.log.opened.append(opened)
        return opened

    async def end(self, session: str) -> None:
        began = self.log.next()
        await self.call("POST", f"/v1/sessions/{session}/close", status=200)
        self.log.closed[session] = Closed(began, self.log.next(), session)

    async def text(self, sender: str, number: str) -> None:
        """Text a number in words that nobody used before; back when the carrier's call was answered 2xx."""
        words = f"{MARK} {next(self._words)} é€😀"
        answer = await self.carrier.post("/control/texts", json={"from": sender, "to": number, "text": words})
        told = answer.json()
        assert 200 <= told["status"] < 300, told
        self.log.texted.append(Texted(self.log.next(), sender, number, words, self.clock))

    async def ledger(self) -> list[Entry]:
        rows = (await self.carrier.get("/control/ledger")).json()
        return [Entry(row["from"], row["to"], row["text"]) for row in rows]

    async def drained(self, *, within: float = 60.0) -> None:
        """Wait until nothing waits to leave and nothing has left for a while."""
        deadline, before, since = time.monotonic() + within, -1, time.monotonic()
        while time.monotonic() < deadline:
            page = (await self.api.get("/metrics")).text
            waiting = [line for line in page.splitlines() if line.startswith("relay_outbox_rows")]
            count = len(await self.ledger())
            if count != before or any(not line.endswith(" 0.0") for line in waiting):
                before, since = count, time.monotonic()
            if time.monotonic() - since > 2.5:
                return
            await asyncio.sleep(0.25)
        raise AssertionError(f"texts still wait: {waiting}")

    async def advance(self, seconds: int) -> None:
        await self.call("PUT", "/sandbox/clock", {"advance": seconds}, status=200)
        self.clock += seconds

    async def all_ended(self, *, within: float = 30.0) -> None:
        """Wait until every session that the log knows as open has ended by itself."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            page = await self.call("GET", "/v1/sessions?status=open&limit=1", status=200)
            if not page["data"]:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("sessions outlive their time")
        place = self.log.next()
        for opened in self.log.opened:
            if opened.session not in self.log.closed:
                self.log.ended.setdefault(opened.session, place)
