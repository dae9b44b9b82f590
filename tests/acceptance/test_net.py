"""The net itself: the same judge and the same canary, over a Relay with one line broken, must cry out.

The break is made in the process that is started, before it starts; the product has no switch for it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.canary import Canary, dump_of
from tests.acceptance.marketplace import Marketplace
from tests.acceptance.oracle import Verdict, judge
from tests.acceptance.processes import running_sandbox
from tests.acceptance.test_routing_oracle import NOTICES

pytestmark = pytest.mark.long

PEOPLE = [f"+120255501{n:02}" for n in range(50, 62)]
START = "from relay.cli import main; main()"
SWAPPED = f"""
from relay.core import routing
routing._other = lambda c: next((p for p in c.participants if p.live and p.id == c.sender_id), None)
{START}"""
PLAINLY_HASHED = f"""
import hashlib
from relay.core.arrival import Party
from relay.vault.party_index import PartyIndexes
PartyIndexes.of = lambda self, account_id, e164: Party(hashlib.sha256(e164.encode()).digest()[:16], 1)
{START}"""


async def _small_run(folder: Path, program: str) -> tuple[Verdict, str]:
    """Six sessions, a text each way in each; the judge's verdict and a dump of the database."""
    async with running_sandbox(folder, launcher=("-c", program)) as sandbox:
        market = Marketplace(sandbox)
        try:
            for one, other in zip(PEOPLE[::2], PEOPLE[1::2], strict=True):
                session = await market.open(one, other)
                await market.text(one, session.numbers[one])
                await market.text(other, session.numbers[other])
            await market.drained()
            ledger = await market.ledger()
        finally:
            await market.close()
        return judge(market.log, ledger, notices=NOTICES), await dump_of(sandbox["database_url"])


def test_unbroken_relay_passes_both(tmp_path: Path) -> None:
    verdict, dump = asyncio.run(_small_run(tmp_path, START))

    assert verdict.complaints == []
    assert verdict.delivered == 12
    assert Canary(PEOPLE, ["quokka"]).finds(dump) == []


def test_judge_cries_out_when_the_two_participants_are_swapped(tmp_path: Path) -> None:
    verdict, _ = asyncio.run(_small_run(tmp_path, SWAPPED))

    assert any("wrong person" in complaint for complaint in verdict.complaints)


def test_canary_cries_out_when_one_plain_hash_is_stored(tmp_path: Path) -> None:
    _, dump = asyncio.run(_small_run(tmp_path, PLAINLY_HASHED))

    assert Canary(PEOPLE, []).finds(dump) != []
