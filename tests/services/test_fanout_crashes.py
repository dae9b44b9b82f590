"""A STOP or START whose process dies after any of its pieces: upkeep finishes it, and what was said later still holds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from relay.services.inbound import Taken
from relay.storage import suppressions
from relay.storage.configuration import Pool
from relay.storage.suppressions import OptChange
from tests.services.dying import dies_after_arrival, dies_before
from tests.services.people import BOB, number, numbers
from tests.services.rig import Rig

pytestmark = pytest.mark.long

_PERSON = """
insert into person as p (bucket, party_index, key_id, opted_out, changed_at) values ($1, $2, 1, $3, '-infinity')
    on conflict (bucket, party_index) do update set key_id = p.key_id
"""
_OPTED = "select type from event where type like 'participant.opted%' order by at, id"

#: What is still to be done when the process dies.
PIECES = ["the account's list", "the first bucket", "the second bucket", "the third bucket", "the end"]


@pytest.fixture
async def pools(rig: Rig) -> list[Pool]:
    return [await rig.pool(f"pool {n}", numbers(2, start=10 * n)) for n in range(3)]


async def says(rig: Rig, word: str, *, sid: str | None = None) -> Taken:
    """Bob says it to the first pool."""
    return await rig.text(BOB, number(0), word, sid=sid)


async def dies(rig: Rig, pools: Sequence[Pool], word: str, piece: str, *, sid: str | None = None) -> None:
    """Bob says it, and the process dies before this piece."""
    saying = says(rig, word, sid=sid)
    if piece == "the account's list":
        await dies_after_arrival(rig, saying)
    elif piece == "the end":
        await dies_before(rig, saying, "select 1 from fanout for update")
    else:
        bucket = sorted(pool.bucket for pool in pools)[PIECES.index(piece) - 1]
        party = rig.relay.vault.indexes.of(rig.account.id, BOB)
        await dies_before(rig, saying, _PERSON, bucket, party.index, word != "STOP")


async def known(rig: Rig, pools: Sequence[Pool]) -> list[object]:
    """What the account's list and every pool know of Bob."""
    party = rig.relay.vault.indexes.of(rig.account.id, BOB)
    listed = await rig.value("select opted_out from suppression where party_index = $1", party.index)
    async with rig.relay.database.transaction() as tx:
        return [listed, *[await suppressions.is_opted_out(tx, pool.bucket, party.index) for pool in pools]]


async def upkeep(rig: Rig, bucket: int) -> int:
    """Everything that was left behind more than five seconds ago is finished."""
    rig.later(seconds=6)
    return await rig.relay.optouts.finish_old(bucket, older_than=5.0)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("word", ["STOP", "START"])
async def test_upkeep_finishes_it_when_the_process_died_before_any_piece(
    rig: Rig, pools: list[Pool], word: str, piece: str
) -> None:
    before = ["STOP"] if word == "START" else []
    for earlier in before:
        await says(rig, earlier)
    await dies(rig, pools, word, piece)
    done = PIECES.index(piece)
    unknown = [knows is not (word == "STOP") for knows in await known(rig, pools)]

    assert unknown[0] is (done == 0)
    assert sum(unknown[1:]) == sum(
        bucket != pools[0].bucket for bucket in sorted(pool.bucket for pool in pools)[max(0, done - 1) :]
    )
    assert await upkeep(rig, pools[0].bucket) == 1
    assert await known(rig, pools) == [word == "STOP"] * 4
    assert await rig.rows("select 1 from fanout") == []
    assert await upkeep(rig, pools[0].bucket) == 0
    told = {"STOP": "participant.opted_out", "START": "participant.opted_in"}
    assert [row["type"] for row in await rig.rows(_OPTED)] == [told[said] for said in [*before, word]]


@pytest.mark.parametrize("piece", PIECES)
async def test_the_repeated_webhook_finishes_it_when_the_process_died_before_any_piece(
    rig: Rig, pools: list[Pool], piece: str
) -> None:
    await dies(rig, pools, "STOP", piece, sid="SM1")

    assert await says(rig, "STOP", sid="SM1") is Taken.COMMAND
    assert await known(rig, pools) == [True] * 4
    assert await rig.rows("select 1 from fanout") == []
    assert len(await rig.rows(_OPTED)) == 1


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("words", [("START", "STOP"), ("STOP", "START")])
async def test_the_newer_wish_holds_everywhere_when_an_older_one_is_finished_after_it(
    rig: Rig, pools: list[Pool], words: tuple[str, str], piece: str
) -> None:
    """The older one was left half done; the newer one got everywhere; then upkeep comes."""
    older, newer = words
    if older == "START":
        await says(rig, "STOP")
    await dies(rig, pools, older, piece)
    await says(rig, newer)
    settled = await known(rig, pools)

    assert await upkeep(rig, pools[0].bucket) == 1
    assert settled == await known(rig, pools) == [newer == "STOP"] * 4
    assert await rig.rows("select 1 from fanout") == []


async def test_the_newest_wish_holds_when_several_were_left_and_are_finished_in_any_order(
    rig: Rig, pools: list[Pool]
) -> None:
    for word in ("STOP", "START", "STOP"):
        await dies(rig, pools, word, "the account's list")
    async with rig.relay.database.transaction() as tx:
        left = await suppressions.old_fanouts(tx, pools[0].bucket, before=tx.now, limit=10)

    assert [change.opted_out for change in left] == [True, False, True]
    for order in permutations(left):
        await spread_all(rig, [*order, *order])
        assert await known(rig, pools) == [True] * 4
        await forget(rig, pools)
    assert len(await rig.rows(_OPTED)) == 3


async def spread_all(rig: Rig, changes: Sequence[OptChange]) -> None:
    for change in changes:
        await rig.relay.optouts.spread(change)


async def forget(rig: Rig, pools: Sequence[Pool]) -> None:
    """Bring everything back to where it stood before the spreading: only the pool that was texted knows."""
    await rig.rows("delete from suppression returning 1 as x")
    await rig.rows("delete from person where bucket <> $1 returning 1 as x", pools[0].bucket)
