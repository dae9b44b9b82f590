"""``python -m tests.campaign.child ...`` is ``relay ...`` with something wrong in it, as the environment says.

``CAMPAIGN_CRASH``  ``point:n``   it is killed (SIGKILL) when it reaches that point for the n-th time
``CAMPAIGN_PAUSE``  ``point:n``   it is stopped (SIGSTOP) there; whoever started it lets it go on later
``CAMPAIGN_SKEW``   seconds       its wall clock is wrong by so much
``CAMPAIGN_BUG``    name          it has this bug (see ``planted``)

SIGUSR2 makes its event loop stand still for two seconds. The program itself has no such switches: everything is put in
from here, before it starts.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import os
import signal
import time
from collections.abc import Callable
from typing import Any

BEFORE, DURING, AFTER = "before", "during", "after"
STALL = 2.0  # seconds
_WRITTEN = 0.004  # seconds after which a request has left for the carrier

#: point -> (module, what is called there, when)
POINTS: dict[str, tuple[str, str, str]] = {
    "ingest, read": ("relay.services.inbound", "Inbound._resolve", AFTER),
    "ingest, key recorded": ("relay.storage.inbox", "record", AFTER),
    "ingest, all written": ("relay.storage.messages", "write", AFTER),
    "ingest, committed": ("relay.services.inbound", "Inbound.take", AFTER),
    "door, before": ("relay.services.sending", "Sending.begin", BEFORE),
    "door, written": ("relay.storage.outbox", "pass_door", AFTER),
    "door, committed": ("relay.services.sending", "Sending._pass_door", AFTER),
    "send, bytes written": ("relay.providers.transport", "Transport.send", DURING),
    "send, answered": ("relay.providers.transport", "Transport.send", AFTER),
    "mark, written": ("relay.storage.outbox", "mark", AFTER),
    "mark, committed": ("relay.services.sending", "Sending._write_marks", AFTER),
    "receipt, written": ("relay.storage.outbox", "write_receipts", AFTER),
    "receipt, committed": ("relay.services.receipts", "Receipts._write", AFTER),
    "open, written": ("relay.storage.sessions", "open_session", AFTER),
    "open, committed": ("relay.services.sessions", "Sessions.open", AFTER),
    "close, written": ("relay.storage.endings", "close", AFTER),
    "close, committed": ("relay.services.sessions", "Sessions.close", AFTER),
    "request, reserved": ("relay.services.idempotency", "Idempotency.begin", AFTER),
    "request, answered": ("relay.services.idempotency", "Idempotency.finish", BEFORE),
    "stop, heard": ("relay.services.optouts", "OptOuts.spread", BEFORE),
    "stop, one pool told": ("relay.services.optouts", "_spread_to", AFTER),
    "stop, all told": ("relay.storage.suppressions", "end_fanout", BEFORE),
    "expiry, closing": ("relay.services.expiry", "_end", BEFORE),
    "ambiguous, declared": ("relay.services.ambiguity", "Ambiguity.declare", AFTER),
    "ambiguous, asked": ("relay.services.ambiguity", "Ambiguity._accepted", AFTER),
    "ambiguous, parked": ("relay.services.ambiguity", "Ambiguity._give_up", AFTER),
    "seal, entered": ("relay.services.audit_log", "AuditLog._enter", AFTER),
    "seal, committed": ("relay.services.audit_log", "_mark", BEFORE),
    "redaction, deleted": ("relay.services.redaction", "Redaction._fate", AFTER),
    "redaction, noted": ("relay.services.redaction", "_write", AFTER),
    "hook, answered": ("relay.services.hooks.interception", "Interception._verdict", AFTER),
    "hook, written": ("relay.storage.hooks", "decide", AFTER),
    "webhook, numbered": ("relay.services.webhooks.telling", "give_out", AFTER),
    "webhook, posted": ("relay.services.webhooks.delivering", "Delivering._post", AFTER),
    "webhook, settled": ("relay.services.webhooks.delivering", "Delivering._settle", AFTER),
    "lease, taken": ("relay.storage.leases", "take", AFTER),
    "lease, given back": ("relay.storage.leases", "give_back", AFTER),
}


def main() -> None:
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(STALL))
    _skew(float(os.environ.get("CAMPAIGN_SKEW", "0")))
    if bug := os.environ.get("CAMPAIGN_BUG"):
        from tests.campaign.planted import BUGS

        BUGS[bug].plant()
    for variable, what in (("CAMPAIGN_CRASH", signal.SIGKILL), ("CAMPAIGN_PAUSE", signal.SIGSTOP)):
        if where := os.environ.get(variable):
            point, _, n = where.rpartition(":")
            _arm(point, int(n), what)
    from relay.cli import main as relay

    relay()


def _skew(seconds: float) -> None:
    if seconds:
        true = time.time
        time.time = lambda: true() + seconds


def replace(module: str, path: str, make: Callable[[Any], Any]) -> None:
    """Put ``make(what is there)`` in the place of a function or method of the program."""
    owner: Any = importlib.import_module(module)
    *parts, name = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    setattr(owner, name, make(getattr(owner, name)))


def _arm(point: str, n: int, what: signal.Signals) -> None:
    module, path, when = POINTS[point]
    reached = 0

    def strike() -> None:
        nonlocal reached
        reached += 1
        if reached == n:
            os.write(2, f'{{"event": "struck", "point": "{point}", "signal": {int(what)}}}\n'.encode())
            os.kill(os.getpid(), what)

    def armed(work: Any) -> Any:
        if not inspect.iscoroutinefunction(work):
            raise TypeError(f"{module}.{path} is not a coroutine function")

        @functools.wraps(work)
        async def wrapper(*args: Any, **more: Any) -> Any:
            if when == BEFORE:
                strike()
            if when == DURING:
                asyncio.get_running_loop().call_later(_WRITTEN, strike)
            result = await work(*args, **more)
            if when == AFTER:
                strike()
            return result

        return wrapper

    replace(module, path, armed)


if __name__ == "__main__":
    main()
