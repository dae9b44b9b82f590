"""What the carrier has on record of every text is deleted there by the real adapter, also when Relay is killed while it asks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.acceptance.installation import Installation, installed
from tests.acceptance.processes import Process

pytestmark = pytest.mark.long

ALICE, BOB, STRANGER = "+14155550150", "+14155550151", "+14155550152"
TEXTS = 40


async def _records(place: Installation) -> dict[str, Any]:
    found: dict[str, Any] = (await place.carrier.get("/control/records")).json()
    return found


async def _until_deleted(place: Installation, count: int) -> None:
    for _ in range(600):
        if len((await _records(place))["deleted"]) >= count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len((await _records(place))['deleted'])} of {count} were deleted")


async def _say(place: Installation, sender: str, number: str, text: str) -> None:
    answer = await place.carrier.post("/control/texts", json={"from": sender, "to": number, "text": text})
    assert answer.json()["status"] == 204


async def _start(place: Installation) -> Process:
    process = await place.api(worker=True)
    hook = f"{place.url}/hooks/{place.connection}/inbound"
    await place.carrier.put("/control/config", json={"webhook_url": hook})
    return process


async def test_the_carrier_has_nothing_on_record_when_relay_was_killed_while_deleting(tmp_path: Path, dsn: str) -> None:
    async with installed(tmp_path, dsn, numbers=["+12025550100", "+12025550101"]) as place:
        place.environment["RELAY_REDACT_AFTER"] = "0.5"
        relay = await _start(place)
        _, hers, his = await place.open(ALICE, BOB)
        for n in range(TEXTS):
            sender, number = ((ALICE, hers), (BOB, his))[n % 2]
            await _say(place, sender, number, f"text {n}")
        await _say(place, STRANGER, hers, "who is this?")
        await _until_deleted(place, 1)
        relay.kill()
        between = len((await _records(place))["held"])
        await _start(place)
        ledger = await place.ledger()
        all_of_them = TEXTS + 1 + len(ledger)  # what came in, and what left
        await _until_deleted(place, all_of_them)
        records, entries = await _records(place), await place.ledger()
        connection = await asyncpg.connect(dsn)
        for _ in range(100):
            if not await connection.fetchval("select count(*) from redaction"):
                break
            await asyncio.sleep(0.1)
        left = await connection.fetchval("select count(*) from redaction")
        await connection.close()

    print(f"{between} of {all_of_them} were still on record when Relay was killed")
    assert 0 < between < all_of_them, "it was killed too early or too late to show anything"
    assert (records["held"], left) == ([], 0)
    assert len(ledger) == TEXTS
    assert all(entry["deleted_at"] for entry in entries)
