"""The sandbox's two HTTP clients: one plays people and weather at the carrier, one is a marketplace at our own API.

Requests and answers are passed on as they are, so that scripts and the page see the carrier's and the API's own words. The
relay itself never comes here: it knows the carrier by Twilio's wire format alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from relay.core.errors import TryLater

_PATIENCE = 30.0  # seconds: a text's answer waits for the relay's own


class CarrierAway(TryLater):
    """The simulated carrier does not answer; if it goes on like this, start the sandbox again."""

    code = "carrier_away"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, to be passed on."""

    status: int
    body: bytes
    content_type: str

    @classmethod
    def of(cls, response: httpx.Response) -> Answer:
        return cls(response.status_code, response.content, response.headers.get("content-type", "application/json"))


@dataclass(frozen=True, slots=True)
class Control:
    """The carrier's control surface."""

    http: httpx.AsyncClient

    async def pass_on(self, method: str, path: str, *, body: bytes = b"", query: str = "") -> Answer:
        """Ask for ``/control/<path>``, which must be quoted already. Raises CarrierAway."""
        url = httpx.URL(f"/control/{path}", query=query.encode())
        try:
            return Answer.of(await self.http.request(method, url, content=body))
        except httpx.TransportError:
            raise CarrierAway from None

    async def configure(self, **settings: Any) -> None:
        """Change where its webhooks go, or how far its clock is ahead. Raises CarrierAway."""
        try:
            (await self.http.put("/control/config", json=settings)).raise_for_status()
        except httpx.TransportError:
            raise CarrierAway from None


@dataclass(frozen=True, slots=True)
class Marketplace:
    """A marketplace with an API key, over HTTP like any other."""

    http: httpx.AsyncClient

    async def pass_on(self, method: str, path: str, body: bytes) -> Answer:
        """Send a document to the API. ``path`` must be quoted already."""
        headers = {"content-type": "application/json"}
        return Answer.of(await self.http.request(method, path, content=body, headers=headers))


@asynccontextmanager
async def client(base_url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client for an address of this machine; a proxy that the environment names is not for it."""
    async with httpx.AsyncClient(
        base_url=base_url, headers=dict(headers or {}), timeout=_PATIENCE, trust_env=False
    ) as http:
        yield http
