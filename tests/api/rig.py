"""The HTTP API as ``relay serve`` puts it together, asked in memory: no socket, but all else is real.

``Api`` is one account's way in. What a test sends goes through the provider routes and the application behind them; the
log is caught as the lines that an operator would see.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import httpx
import structlog

from relay import logs
from relay.api.app import build_app
from relay.api.provider_hooks import ProviderHooks
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.sandbox.carrier.webhooks import sign
from tests.api.described import description
from tests.services.rig import ACCOUNT_SID, AUTH_TOKEN, CREDENTIALS, Rig, new_sid

PUBLIC_URL = "https://relay.example.com"
INSIDE_URL = "http://10.0.0.7:8000"  # where a proxy finds the process: nobody signs for this address

ALICE, BOB, CAROL = "+12025550177", "+12025550188", "+12025550199"
DAVE, EVE = "+12025550166", "+12025550155"
NUMBERS = ("+12025550100", "+12025550101", "+12025550102")

_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Api:
    """One account at the API. ``key`` has every scope; ``http``, which speaks to ``app``, carries none by itself."""

    rig: Rig
    app: ProviderHooks
    http: httpx.AsyncClient
    key: str

    async def ask(
        self, method: str, path: str, body: object = None, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """One request with a key; ``idempotency_key="x"`` is the header Idempotency-Key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"authorization": f"Bearer {key or self.key}", **named}
        if body is None:
            return await self.http.request(method, path, headers=given)
        return await self.http.request(method, path, headers=given, json=body)

    async def send(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        """A POST whose body is exactly these bytes, as JSON unless ``content_type`` says otherwise."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **named}
        return await self.http.post(path, headers=given, content=content)

    async def made(self, path: str, body: object, **headers: str) -> dict[str, Any]:
        """What a POST that succeeds answers."""
        answer = await self.ask("POST", path, body, **headers)
        assert answer.status_code in (200, 201, 202), answer.text
        return dict(answer.json())

    async def session(self, one: str = ALICE, other: str = BOB, **more: object) -> dict[str, Any]:
        """An open session of two people."""
        return await self.made("/v1/sessions", opening(one, other, **more))

    async def new_key(self, *scopes: Scope) -> str:
        return await self.rig.relay.keys.add(self.rig.account, name="test", scopes=scopes or tuple(Scope))

    async def other_account(self) -> Api:
        """Another marketplace of the same installation, with a connection of its own."""
        relay = self.rig.relay
        account = await relay.accounts.add(f"other market {next(_serial)}")
        connection = await relay.connections.add(account, "twilio", CREDENTIALS, await self.rig.seed())
        key = await relay.keys.add(account, name="test", scopes=tuple(Scope))
        return Api(replace(self.rig, account=account, connection=connection), self.app, self.http, key)

    @property
    def connection(self) -> str:
        """The public id of the account's connection."""
        return public(IdKind.CONNECTION, self.rig.connection.id)


def opening(one: str = ALICE, other: str = BOB, **more: object) -> dict[str, object]:
    """The body that opens a session."""
    return {"participants": [{"phone": one, "label": "rider"}, {"phone": other, "label": "driver"}], **more}


@asynccontextmanager
async def at_the_door(rig: Rig, *, api_rate: float = 1e6) -> AsyncIterator[Api]:
    """The API of a rig's account, with a ready pool ``default``."""
    await rig.pool("default", NUMBERS)
    key = await rig.relay.keys.add(rig.account, name="test", scopes=tuple(Scope))
    async with behind(rig, key, api_rate=api_rate) as api:
        yield api


@asynccontextmanager
async def behind(rig: Rig, key: str, *, api_rate: float = 1e6) -> AsyncIterator[Api]:
    """The application over a rig, for somebody who has a key already."""
    app = build_app(rig.relay, api_rate=api_rate)
    hooks = ProviderHooks(rig.relay, public_url=PUBLIC_URL, behind=app)
    transport, heed = httpx.ASGITransport(hooks), {"response": [description().heed]}
    async with httpx.AsyncClient(transport=transport, base_url=INSIDE_URL, trust_env=False, event_hooks=heed) as http:
        yield Api(rig, hooks, http, key)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A provider's request: where it goes and what it says. ``signed`` makes it Twilio's."""

    path: str
    form: Mapping[str, str]

    def signed(self, *, token: str = AUTH_TOKEN, base_url: str = PUBLIC_URL) -> tuple[dict[str, str], bytes]:
        """Headers and body as Twilio sends them when it was told this public address."""
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": sign(token, base_url + self.path, dict(self.form)),
        }
        return headers, urlencode(self.form).encode()

    async def post(self, api: Api, **how: str) -> httpx.Response:
        headers, body = self.signed(**how)
        return await api.http.post(self.path, headers=headers, content=body)


def inbound(api: Api, sender: str, number: str, text: str, **more: str) -> Webhook:
    """A person texts a number."""
    form = {
        "MessageSid": new_sid(),
        "AccountSid": ACCOUNT_SID,
        "From": sender,
        "To": number,
        "Body": text,
        "NumMedia": "0",
        **more,
    }
    return Webhook(f"/hooks/{api.connection}/inbound", form)


async def talk(api: Api) -> tuple[str, str]:
    """A session's id, and the number that Alice texts in it."""
    session = await api.session()
    return session["id"], session["participants"][0]["proxy_number"]


async def taken(api: Api, session: str) -> int:
    """How many texts the session has."""
    return len((await api.ask("GET", f"/v1/sessions/{session}/messages")).json()["data"])


@dataclass(frozen=True, slots=True)
class Log:
    """What has been written to the log."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        """Every line, parsed by itself: a line that does not parse fails the test."""
        return [json.loads(line) for line in self.text.splitlines(keepends=False)]


@contextmanager
def caught_log() -> Iterator[Log]:
    """Catch the log for a while; logging is put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(stream=stream)
    try:
        yield Log(stream)
    finally:
        structlog.reset_defaults()
        root.handlers = handlers
        root.setLevel(level)
