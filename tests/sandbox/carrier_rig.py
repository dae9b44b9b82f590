"""What the carrier's tests stand on: a carrier and a receiver of its webhooks, both served over real HTTP in one loop.

No assertions here. The receiver plays the relay's side as dumbly as possible: it writes down every post and answers
with the statuses that it was given, so that what a test sees is the carrier's doing. A module's tests share one rig,
because uvicorn takes 0.2 s to stop; each begins with `Rig.reset`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from relay.sandbox.carrier.process import CarrierServer, Settings, bind, build_carrier, url_of
from relay.sandbox.carrier.weather import Weather, as_document
from relay.sandbox.carrier.webhooks import Account

SID = "AC" + "5" * 32
TOKEN = "a token only for tests"
NUMBER, OTHER_NUMBER = "+12025550100", "+12025550101"
ALICE, BOB = "+12025550150", "+46701740655"

MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages.json"


@dataclass(frozen=True, slots=True)
class Post:
    """One webhook as it arrived."""

    path: str
    url: str
    form: dict[str, str]
    signature: str


@dataclass(slots=True)
class Receiver:
    """Keeps every post to the present test's addresses.

    It answers with `statuses` in turn, then 200; an answer drips for `drip_s`.
    """

    server_url: str = ""
    posts: list[Post] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    drip_s: float = 0
    _test: int = 0

    @property
    def url(self) -> str:
        """The base of the present test's addresses."""
        return f"{self.server_url}/{self._test}"

    def reset(self) -> None:
        """Take new addresses, so that a straggler of the test before is not counted in this one."""
        self._test += 1
        self.posts, self.statuses, self.drip_s = [], [], 0

    def app(self) -> Starlette:
        """The receiver as an app that takes a POST on any path."""
        return Starlette(routes=[Route("/{test:int}/{rest:path}", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        if request.path_params["test"] != self._test:
            return Response(status_code=410)
        signature = request.headers["x-twilio-signature"]
        self.posts.append(Post("/" + request.path_params["rest"], str(request.url), form, signature))
        status = self.statuses.pop(0) if self.statuses else 200
        return StreamingResponse(self._twiml(), status, media_type="text/xml")

    async def _twiml(self) -> AsyncIterator[str]:
        end = time.monotonic() + self.drip_s
        while time.monotonic() < end:
            yield "\n"
            await asyncio.sleep(0.02)
        yield "<Response/>"

    def texts(self) -> list[Post]:
        """The inbound texts among the posts."""
        return [post for post in self.posts if post.path == "/texts"]

    def receipts(self, token: str) -> list[str]:
        """The statuses posted to the callback that ends in `token`, in order of arrival."""
        return [post.form["MessageStatus"] for post in self.posts if post.path == f"/receipts/{token}"]

    async def until(self, is_there: Callable[[], bool]) -> None:
        """Wait until `is_there` holds; raise `TimeoutError` after five seconds."""
        async with asyncio.timeout(5):
            while not is_there():  # noqa: ASYNC110 -- what is waited for differs from test to test
                await asyncio.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Rig:
    """A running carrier (`http` speaks to it, with the account's credentials) and the receiver of its webhooks."""

    http: httpx.AsyncClient
    receiver: Receiver
    url: str

    async def reset(self) -> None:
        """Bring carrier and receiver back to where they began."""
        self.receiver.reset()
        (await self.http.delete("/control/state")).raise_for_status()
        await self.weather(**as_document(Weather()))
        addresses = {"webhook_url": f"{self.receiver.url}/texts", "voice_url": f"{self.receiver.url}/calls"}
        (await self.http.put("/control/config", json=addresses | {"now_offset_s": 0})).raise_for_status()

    async def send(self, to: str = ALICE, body: str = "hello", *, token: str | None = None) -> httpx.Response:
        """Send over the REST surface from NUMBER, with a status callback that ends in `token` when one is given."""
        form = {"To": to, "From": NUMBER, "Body": body}
        if token is not None:
            form["StatusCallback"] = f"{self.receiver.url}/receipts/{token}"
        return await self.http.post(MESSAGES, data=form)

    async def text(self, body: str, *, sender: str = ALICE, to: str = NUMBER, **more: Any) -> dict[str, Any]:
        """Have a person's phone text a number."""
        answer = await self.http.post("/control/texts", json={"from": sender, "to": to, "text": body, **more})
        return dict(answer.raise_for_status().json())

    async def weather(self, **faults: Any) -> None:
        """Replace the named faults."""
        (await self.http.put("/control/weather", json=faults)).raise_for_status()

    async def handset(self, phone: str) -> list[tuple[str, str]]:
        """What the handset shows, as (direction, text)."""
        return [(line["direction"], line["text"]) for line in (await self.http.get(f"/control/phones/{phone}")).json()]

    async def ledger(self, since: int = 0) -> list[dict[str, Any]]:
        """The accepted sends numbered above `since`."""
        return list((await self.http.get("/control/ledger", params={"since": since})).json())


@contextlib.asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve `app` on a free loopback port in this loop; yields its address."""
    ready, sock = asyncio.Event(), bind(0)
    server = CarrierServer(app, on_ready=ready.set)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    await ready.wait()
    try:
        yield url_of(sock)
    finally:
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def carrier_rig(*, retries: int = 2, timeout_s: float = 15) -> AsyncIterator[Rig]:
    """A carrier whose texts and calls go to a receiver under `/texts` and `/calls`."""
    receiver = Receiver()
    app = build_carrier(Settings(account=Account(SID, TOKEN), webhook_retries=retries, webhook_timeout_s=timeout_s))
    async with (
        serving(receiver.app()) as receiver.server_url,
        serving(app) as url,
        httpx.AsyncClient(base_url=url, auth=(SID, TOKEN), trust_env=False) as http,
    ):
        rig = Rig(http, receiver, url)
        await rig.reset()
        yield rig
