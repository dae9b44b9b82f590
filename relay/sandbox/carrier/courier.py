"""Carries the carrier's webhooks to the relay: inbound texts with retries, calls once, receipts from a bounded queue.

The only module of the carrier that opens connections. Nothing here changes what the network knows. The danger is work
that piles up while the relay is away: receipts beyond the queue are dropped and counted, and like Twilio's they are
never retried; a text is retried a fixed number of times and then given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import httpx_aiohttp

from relay.sandbox.carrier.network import Network
from relay.sandbox.carrier.texts import Text
from relay.sandbox.carrier.weather import happens
from relay.sandbox.carrier.webhooks import Account, Form, receipt_forms, sign

_FIRST_RETRY_AFTER_S = 0.2
_RECEIPT_CARRIERS = 16
_RECEIPTS_WAITING = 20_000

# Shorter than the idle limit of common servers (uvicorn: 5 s), so that a post never meets a connection being closed.
_IDLE_CONNECTION_S = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook answered. `status` 0: nobody did, or no address is configured."""

    status: int
    body: str = ""

    @property
    def is_worth_a_retry(self) -> bool:
        """Whether the same webhook may yet succeed: no answer, or the receiver's own fault."""
        return self.status == 0 or self.status >= 500


class Courier:
    """Posts signed webhooks. An async context manager: leaving it stops all that is still under way.

    `retries` counts the further tries for an inbound text; `timeout_s` bounds one try from start to end.
    """

    def __init__(self, network: Network, account: Account, *, retries: int, timeout_s: float) -> None:
        self.receipts_dropped = 0
        self.receipts_taken: dict[str, list[str]] = {}  #: callback -> the words that were answered 2xx
        self._network = network
        self._account = account
        self._retries = retries
        self._timeout_s = timeout_s
        self._receipts: asyncio.Queue[tuple[str, list[Form]]] = asyncio.Queue(_RECEIPTS_WAITING)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=100, keepalive_expiry=_IDLE_CONNECTION_S)
        transport = httpx_aiohttp.AiohttpTransport(limits=limits, trust_env=False)
        self._client = httpx.AsyncClient(transport=transport, trust_env=False, timeout=self._timeout_s)
        for _ in range(_RECEIPT_CARRIERS):
            self._start(self._carry_receipts())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.aclose()

    @property
    def receipts_waiting(self) -> int:
        """How many texts' receipts wait in the queue."""
        return self._receipts.qsize()

    async def deliver_text(self, form: Form) -> int:
        """Post an inbound text and return the first try's status; what may yet succeed goes on in the background."""
        if happens(self._network.weather.duplicate_rate):
            self._start(self._post_text(form))
        answer = await self._post_text(form)
        if answer.is_worth_a_retry:
            self._start(self._retry_text(form))
        return answer.status

    async def deliver_call(self, form: Form) -> Answer:
        """Post an incoming call and return the answer, whose body is TwiML."""
        return await self._post(self._network.config.voice_url, form)

    def expect_receipts(self, text: Text) -> None:
        """Queue the receipts of an accepted send as the weather has them; never waits."""
        weather = self._network.weather
        if text.callback is None or weather.drop_receipts or text.recipient in weather.mute:
            return
        forms = receipt_forms(self._account, text)
        if weather.reorder:
            forms.reverse()
        forms = [form for form in forms for _ in range(2 if happens(weather.duplicate_rate) else 1)]
        try:
            self._receipts.put_nowait((text.callback, forms))
        except asyncio.QueueFull:
            self.receipts_dropped += 1

    async def _carry_receipts(self) -> None:
        while True:
            url, forms = await self._receipts.get()
            for form in forms:
                if 200 <= (await self._post(url, form)).status < 300:
                    self.receipts_taken.setdefault(url, []).append(form["MessageStatus"])

    async def _retry_text(self, form: Form) -> None:
        for n in range(self._retries):
            await asyncio.sleep(_FIRST_RETRY_AFTER_S * 2**n)
            if not (await self._post_text(form)).is_worth_a_retry:
                return

    async def _post_text(self, form: Form) -> Answer:
        # Read anew for every try: the relay may have come back under another address.
        return await self._post(self._network.config.webhook_url, form)

    async def _post(self, url: str | None, form: Form) -> Answer:
        if url is None:
            return Answer(0)
        headers = {"X-Twilio-Signature": sign(self._account.auth_token, url, form), "User-Agent": "TwilioProxy/1.1"}
        try:
            # The client's own timeout is per read: a receiver that drips would never run into it.
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.post(url, data=form, headers=headers)
        except Exception:
            # The layers below raise a dozen unrelated types for what is one thing here: nobody answered.
            return Answer(0)
        return Answer(answer.status_code, answer.text)

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
