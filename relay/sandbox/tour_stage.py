"""What the tour does and looks at, over HTTP alone: the API with a key, and the sandbox's routes.

A step says what it expects; ``Mistold`` says what was seen instead and ends the tour. Each change of state that the story
brings about is counted in ``changes``, so that the events can be held against the story at its end. Nothing here prints.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

_LOOK_EVERY = 0.02


class Mistold(Exception):
    """Something in the story was not as expected."""

    def __init__(self, what: str, *, expected: object, saw: object) -> None:
        super().__init__(f"{what}: expected {expected}, saw {saw}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sandbox is. ``log`` reads what it has logged so far."""

    url: str
    api_key: str = field(repr=False)
    database_url: str
    log: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the story; the phone is of a range kept for fiction."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line on a person's handset: ``direction`` is ``out`` for what they wrote, ``peer`` the number in the thread."""

    person: Person
    direction: str
    peer: str
    text: str
    at: str


@dataclass(frozen=True, slots=True)
class Ride:
    """An open session: its id and the number that each person texts, by phone."""

    id: str
    numbers: Mapping[str, str]


@dataclass(slots=True)
class Stage:
    """The sandbox as the tour plays on it."""

    api: httpx.AsyncClient
    sandbox: httpx.AsyncClient
    patience: float = 5.0  #: seconds that something expected may take to be seen
    changes: Counter[str] = field(default_factory=Counter)
    rides: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    _read: Counter[str] = field(default_factory=Counter)

    async def try_to_open(self, one: Person, other: Person, **wishes: Any) -> httpx.Response:
        """Ask for a session; the answer may be a refusal."""
        people = [{"phone": one.phone, "label": one.name}, {"phone": other.phone, "label": other.name}]
        answer = await self.api.post("/v1/sessions", json={"participants": people, **wishes})
        self.answers.append(answer.text)
        return answer

    async def open(self, one: Person, other: Person, **wishes: Any) -> Ride:
        """Open a session."""
        answer = await self.try_to_open(one, other, **wishes)
        expect("opening a session", expected=201, saw=answer.status_code)
        document = answer.json()
        seats = zip((one, other), document["participants"], strict=True)
        self.changes["session.opened"] += 1
        self.rides.append(document["id"])
        return Ride(document["id"], {person.phone: seat["proxy_number"] for person, seat in seats})

    async def close(self, ride: Ride) -> None:
        """Close a session, with nothing on its way."""
        answer = await self.api.post(f"/v1/sessions/{ride.id}/close", json={})
        self.answers.append(answer.text)
        seen = (answer.status_code, answer.json().get("in_flight"))
        expect("closing a session", expected=(200, []), saw=seen)
        self.changes["session.closed"] += 1

    async def text(self, person: Person, number: str, text: str, *, photos: int = 0) -> None:
        """A person's phone texts a number; the relay takes it in."""
        told = {"from": person.phone, "to": number, "text": text, "media": photos}
        answer = await self.sandbox.post("/sandbox/texts", json=told)
        taken = answer.json().get("status") if answer.status_code == 200 else answer.status_code
        expect(f"handing {person.name}'s text to the relay", expected=204, saw=taken)
        self.said.append(text)

    async def shows(self, person: Person, *expected: tuple[str, str, str]) -> list[Line]:
        """Wait until a handset shows exactly these new lines: direction, peer, text."""

        read = self._read[person.phone]

        async def look() -> list[tuple[str, str, str]]:
            return [(line.direction, line.peer, line.text) for line in (await self._handset(person))[read:]]

        await self.soon(look, what=f"{person.name}'s handset", expected=list(expected))
        self._read[person.phone] += len(expected)
        return (await self._handset(person))[read : read + len(expected)]

    async def hears(self, person: Person, number: str, word: str) -> list[Line]:
        """Wait until a handset shows a keyword and the answer to it, which is in the carrier's own words."""
        answered = [("out", number, True), ("in", number, False)]
        read = self._read[person.phone]

        async def look() -> list[tuple[str, str, bool]]:
            return [(line.direction, line.peer, line.text == word) for line in (await self._handset(person))[read:]]

        await self.soon(look, what=f"{person.name}'s handset after {word}", expected=answered)
        self._read[person.phone] += len(answered)
        return (await self._handset(person))[read:]

    async def _handset(self, person: Person) -> list[Line]:
        shown = (await self.sandbox.get(f"/sandbox/phones/{person.phone}")).raise_for_status().json()
        return [Line(person, **line) for line in shown]

    async def last_text(self, ride: Ride) -> tuple[str, str | None]:
        """State and reason of the newest text of a session that a person wrote."""
        listed = (await self.api.get(f"/v1/sessions/{ride.id}/messages")).raise_for_status()
        self.answers.append(listed.text)
        return next((m["state"], m["reason"]) for m in listed.json()["data"] if m["kind"] == "relay")

    async def sends(self) -> list[dict[str, str]]:
        """Everything that the carrier has accepted, in order."""
        return list((await self.sandbox.get("/sandbox/ledger")).raise_for_status().json())

    async def advance(self, hours: int) -> None:
        """Move the clock."""
        answer = await self.sandbox.put("/sandbox/clock", json={"advance": hours * 3600})
        expect("moving the clock", expected=200, saw=answer.status_code)

    async def kept(self, ride_id: str) -> dict[str, Any]:
        """What the relay keeps about a session."""
        return dict((await self.sandbox.get(f"/sandbox/kept/{ride_id}")).raise_for_status().json())

    async def soon(self, look: Callable[[], Awaitable[T]], *, what: str, expected: object) -> T:
        """Look until what is seen is expected, and return it. Raises Mistold when it does not come to that."""
        last = time.monotonic() + self.patience
        while (seen := await look()) != expected and time.monotonic() < last:  # noqa: ASYNC110 - nobody will tell us
            await asyncio.sleep(_LOOK_EVERY)
        expect(what, expected=expected, saw=seen)
        return seen

    def crossed(self, count: int = 1) -> None:
        """So many texts were taken in, accepted by the carrier and delivered."""
        for step in ("received", "accepted", "delivered"):
            self.changes[f"message.{step}"] += count


def expect(what: str, *, expected: object, saw: object) -> None:
    """Raises Mistold unless the two are equal."""
    if expected != saw:
        raise Mistold(what, expected=expected, saw=saw)
