"""The provider's socket, as Twilio would answer it, and what it remembers having taken."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qs

import httpx


@dataclass(frozen=True, slots=True)
class SentText:
    """A text that was handed over."""

    sender: str
    to: str
    text: str
    callback: str


@dataclass(slots=True)
class Carrier:
    """Takes every text. ``answer`` may be set by a test to refuse, fail or hang up; None from it means: take this one.

    ``asked`` holds everything that came, ``sent`` what was taken, ``listed`` what a search finds (None: no list at all).
    """

    asked: list[SentText] = field(default_factory=list)
    sent: list[SentText] = field(default_factory=list)
    answer: Callable[[SentText], httpx.Response | None] | None = None
    listed: list[dict[str, object]] | None = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)  #: ids that it was told to delete, each time
    delete: Callable[[str], httpx.Response] = lambda _: httpx.Response(204, stream=httpx.ByteStream(b""))
    searches: int = 0
    before_search: Callable[[], Awaitable[object]] | None = None  #: what else happens while somebody is searching

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            self.searches += 1
            if self.before_search:
                await self.before_search()
            return answered(200, {"messages": self.listed})
        if request.method == "DELETE":
            provider_id = request.url.path.rpartition("/")[2].removesuffix(".json")
            self.deleted.append(provider_id)
            return self.delete(provider_id)
        form = parse_qs(request.content.decode(), keep_blank_values=True)
        text = SentText(form["From"][0], form["To"][0], form["Body"][0], form["StatusCallback"][0])
        self.asked.append(text)
        special = self.answer(text) if self.answer else None
        if special is not None:
            return special
        self.sent.append(text)
        return answered(201, {"sid": f"SM{len(self.sent):032x}", "status": "queued"})


def answered(status: int, document: object, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """A JSON answer whose body is still to be read, as it is over a socket."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(json.dumps(document).encode()))


def refusal(code: int, status: int = 400, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Twilio's way of saying no."""
    return answered(status, {"code": code, "message": "no", "status": status}, headers)


def lost_answer(_: SentText) -> httpx.Response:
    """The request left, the answer never came."""
    raise httpx.ReadTimeout("")


def unreachable(_: SentText) -> httpx.Response:
    """No connection came about: nothing left."""
    raise httpx.ConnectError("")


def listing(text: str, *, at: datetime | None = None, status: str = "sent") -> dict[str, object]:
    """One entry of a search's answer."""
    created = format_datetime((at or datetime.now(UTC)).replace(microsecond=0))
    return {"sid": "SM" + "f" * 32, "body": text, "status": status, "date_created": created, "error_code": None}
