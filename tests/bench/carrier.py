"""``python -m tests.bench.carrier``: a carrier that costs as little as it can: it takes texts, notes them, and sends receipts.

The first line it prints is JSON with its address. What it was sent is asked for at ``/ledger`` and forgotten with
``/forget``. Every text begins with its serial number, so that a run can tell what became of each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import uvloop

from tests.acceptance.webhooks import signed
from tests.bench.lines import Lines, length_of, post

_END = b"\r\n\r\n"
_RECEIPT_LINES = 16


@dataclass(slots=True)
class Carrier:
    """``latency``: seconds before an accepted text is answered. ``ledger``: serial, from, to, when (wall clock)."""

    account_sid: str
    auth_token: str
    latency: float
    ledger: list[tuple[int, str, str, float]] = field(default_factory=list)
    answered: Counter[int] = field(default_factory=Counter)  #: receipts, by the status they were answered
    sent: int = 0
    _lines: dict[str, Lines] = field(default_factory=dict)
    _opening: set[asyncio.Task[None]] = field(default_factory=set)

    def take(self, body: bytes) -> bytes:
        """A text is handed over: note it, and answer as the provider does."""
        form = dict(parse_qsl(body.decode()))
        self.sent += 1
        sid = f"SM{self.sent:032x}"
        self.ledger.append((int(form["Body"].split(" ", 1)[0]), form["From"], form["To"], time.time()))
        self._tell(form["StatusCallback"], sid, form)
        return answer(201, json.dumps({"sid": sid, "status": "queued"}).encode())

    def _tell(self, url: str, sid: str, form: dict[str, str]) -> None:
        told = {
            "AccountSid": self.account_sid,
            "MessageSid": sid,
            "MessageStatus": "delivered",
            "From": form["From"],
            "To": form["To"],
        }
        request = post(url, *signed(self.auth_token, url, told))
        delay = max(self.latency, 0.005)  # a receipt that comes before the answer has its own tests
        asyncio.get_running_loop().call_later(delay, self._post, urlsplit(url).netloc, request)

    def _post(self, place: str, request: bytes) -> None:
        lines = self._lines.get(place)
        if lines is None:
            lines = self._lines[place] = Lines(f"http://{place}", _RECEIPT_LINES)
            task = asyncio.create_task(lines.open())
            self._opening.add(task)
        lines.ask(request, self._heard)

    def _heard(self, status: int) -> None:
        self.answered[status] += 1

    def told(self) -> bytes:
        """Everything since the last ``forget``."""
        return answer(200, json.dumps({"ledger": self.ledger, "receipts": self._taken}).encode())

    def counts(self) -> bytes:
        """How many texts there are in the ledger, and how many receipts were taken."""
        return answer(200, json.dumps({"texts": len(self.ledger), "receipts": self._taken}).encode())

    @property
    def _taken(self) -> int:
        return self.answered[200] + self.answered[204]

    def forget(self) -> bytes:
        self.ledger, self.answered = [], Counter()
        for lines in self._lines.values():
            lines.close()
        self._lines = {}
        return answer(200, b"{}")


class Call(asyncio.Protocol):
    """One connection to the carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(_END)) >= 0:
            head = self._rest[:end]
            size = end + len(_END) + length_of(head)
            if len(self._rest) < size:
                return
            body, self._rest = self._rest[end + len(_END) : size], self._rest[size:]
            self._serve(head, body)

    def _serve(self, head: bytes, body: bytes) -> None:
        carrier = self._carrier
        if head.startswith(b"POST /2010-04-01/"):
            told = carrier.take(body)
            if carrier.latency:
                asyncio.get_running_loop().call_later(carrier.latency, self._say, told)
            else:
                self._say(told)
        elif head.startswith(b"GET /ledger"):
            self._say(carrier.told())
        elif head.startswith(b"GET /counts"):
            self._say(carrier.counts())
        elif head.startswith(b"POST /forget"):
            self._say(carrier.forget())
        else:
            self._say(answer(404, b"{}"))

    def _say(self, told: bytes) -> None:
        if self._transport is not None:
            self._transport.write(told)


def answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _run(carrier: Carrier) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Call(carrier), "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.carrier", description=__doc__)
    parser.add_argument("--account-sid", required=True)
    parser.add_argument("--auth-token", required=True, help="of an account that exists on this carrier alone")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    given = parser.parse_args()
    carrier = Carrier(given.account_sid, given.auth_token, given.latency_ms / 1000)
    uvloop.run(_run(carrier))


if __name__ == "__main__":
    main()
