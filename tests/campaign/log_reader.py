"""The audit log at the end of a run, as an auditor has it over the API: every entry is put where the tree has its leaf, and the
tree is computed anew. How often each type of event happened, the database says: no API shows events but the log itself."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.campaign.history import Log

if TYPE_CHECKING:
    from tests.campaign.campaign import Run

_READING = "audit.read"  # looking at the log adds to it


async def seen_log(run: Run, *, within: float) -> Log:
    """The log when all of the events are in it, or when so many seconds are over."""
    deadline = time.monotonic() + within
    while True:
        happened = await _happened(run)
        sealed = await run.world.query("select count(*) from sealed_event")
        if sealed[0][0] >= sum(happened.values()) or time.monotonic() > deadline:
            log = await _read(run, happened)
            log.happened_later = await _happened(run)
            return log
        await asyncio.sleep(0.3)


async def _happened(run: Run) -> dict[str, int]:
    rows = await run.world.query("select type, count(*) from event group by type")
    return {row[0]: row[1] for row in rows}


async def _read(run: Run, happened: dict[str, int]) -> Log:
    _, size, root = (await _ask(run, "checkpoint")).decode().splitlines()[:3]
    leaves = await _leaves(run, int(size))
    entries = await _entries(run)  # more than there were in the head: looking at the log adds to it
    records = [json.loads(entry["record"]) for entry in entries]
    types = Counter(record["event"] for record in records)
    names = Counter(record["id"] for record in records)
    within = [entry for entry in entries if entry["index"] < len(leaves)]
    return Log(
        happened={name: count for name, count in happened.items() if name != _READING},
        entered={name: count for name, count in types.items() if name != _READING},
        doubled=sum(count - 1 for count in names.values()),
        unproved=sum(_leaf(entry) != leaves[entry["index"]] for entry in within),
        gaps=len({*range(len(leaves))} - {entry["index"] for entry in entries}),
        root_is_right=base64.b64encode(_root(leaves)).decode() == root,
    )


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, from the leaves up: whoever has no neighbour goes up as it is."""
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [sha256(b"\x01" + level[n] + level[n + 1]).digest() for n in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def _leaf(entry: dict[str, Any]) -> bytes:
    return sha256(base64.b64decode(entry["salt"]) + entry["record"].encode()).digest()


async def _entries(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = json.loads(await _ask(run, f"entries?limit=200{cursor}"))
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def _leaves(run: Run, size: int) -> list[bytes]:
    found: list[bytes] = []
    for n in range(-(-size // 256)):
        width = min(256, size - 256 * n)
        number = f"{n // 1000:03}" if n >= 1000 else ""
        path = (f"x{number}/" if number else "") + f"{n % 1000:03}" + (f".p/{width}" if width < 256 else "")
        bundle = await _ask(run, f"tile/entries/{path}")
        found += [bundle[at + 2 : at + 34] for at in range(0, len(bundle), 34)]
    return found


async def _ask(run: Run, path: str) -> bytes:
    headers = {"authorization": f"Bearer {run.world.key}"}
    async with run.crowd.http.get(f"{run.world.url}/v1/audit/{path}", headers=headers) as answer:
        if answer.status != 200:
            raise AssertionError(f"the log was answered {answer.status}")
        return await answer.read()
