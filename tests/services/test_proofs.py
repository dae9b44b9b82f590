"""A pool that requires proofs: who may be in a session there, and that each token is good once, for one person."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from relay.core.errors import Conflict, InvalidInput
from relay.core.ids import Seed
from relay.core.phone import Phone
from relay.core.verification import Proof
from relay.services.sessions import PersonWanted, SessionView, SessionWanted
from relay.storage import verifications
from relay.storage.configuration import Pool
from tests.services.people import ALICE, BOB, CAROL, numbers, phone
from tests.services.rig import Rig
from tests.services.verifying import PRIVACY, SESSION, proof

pytestmark = pytest.mark.long

INVALID = "verification_token_invalid"
FIELDS = ("participants.0.verification_token", "participants.1.verification_token")
AT_ONCE = 32


@pytest.fixture
async def pool(rig: Rig) -> Pool:
    return await strict_pool(rig, "default", 3)


async def strict_pool(rig: Rig, name: str, count: int, *, start: int = 0) -> Pool:
    await rig.pool(name, numbers(count, start=start))
    return await rig.relay.pools.change(rig.account, name, require_verified=True)


def wanted(pool: Pool, one: str | None, other: str | None, *, people: tuple[str, str] = (ALICE, BOB)) -> SessionWanted:
    """A session of two people with these tokens."""
    named = tuple(PersonWanted(Phone.parse(e164), "", token) for e164, token in zip(people, (one, other), strict=True))
    return SessionWanted(pool, (named[0], named[1]))


async def opened(rig: Rig, session: SessionWanted, *, seed: Seed | None = None) -> SessionView:
    return await rig.relay.sessions.open(rig.account, session, seed or await rig.seed())


async def refusal(rig: Rig, session: SessionWanted) -> list[tuple[str, str]]:
    """Field and code of each problem; asking first gives the same answer."""
    answers = []
    for asking in (
        rig.relay.sessions.dry_run(rig.account, session),
        rig.relay.sessions.open(rig.account, session, await rig.seed()),
    ):
        with pytest.raises(InvalidInput) as caught:
            await asking
        answers.append([(problem.field, problem.code) for problem in caught.value.problems])
    assert answers[0] == answers[1]
    return answers[0]


async def both(rig: Rig, pool: Pool) -> tuple[str, str]:
    return await proof(rig, pool, ALICE), await proof(rig, pool, BOB)


async def test_a_session_opens_when_both_people_proved_their_phones(rig: Rig, pool: Pool) -> None:
    one, other = await both(rig, pool)
    asked_first = await rig.relay.sessions.dry_run(rig.account, wanted(pool, one, other))
    view = await opened(rig, wanted(pool, one, other))

    assert len(asked_first) == 2
    assert view.session.status == "open"
    assert await rig.rows("select used_by from verification") == [{"used_by": view.session.id}] * 2


async def test_each_missing_token_is_named_when_the_pool_requires_them(rig: Rig, pool: Pool) -> None:
    one = await proof(rig, pool, ALICE)

    assert await refusal(rig, wanted(pool, None, None)) == [(field, "missing") for field in FIELDS]
    assert await refusal(rig, wanted(pool, one, None)) == [(FIELDS[1], "missing")]
    assert await opened(rig, wanted(pool, one, await proof(rig, pool, BOB)))  # a refusal spends nothing


async def test_nobody_is_asked_for_a_token_when_the_pool_does_not_require_them(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))

    assert await opened(rig, wanted(pool, None, None))


async def test_a_token_that_is_given_is_looked_at_when_the_pool_does_not_require_it(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    one = await proof(rig, pool, ALICE)
    await opened(rig, wanted(pool, one, None))

    assert await refusal(rig, wanted(pool, one, None)) == [(FIELDS[0], INVALID)]
    assert await refusal(rig, wanted(pool, None, "made up")) == [(FIELDS[1], INVALID)]


async def test_a_token_is_refused_when_it_was_used_before(rig: Rig, pool: Pool) -> None:
    one, other = await both(rig, pool)
    await opened(rig, wanted(pool, one, other))

    assert await refusal(rig, wanted(pool, one, await proof(rig, pool, BOB))) == [(FIELDS[0], INVALID)]
    assert await refusal(rig, wanted(pool, one, other)) == [(field, INVALID) for field in FIELDS]


async def test_a_token_is_refused_when_fifteen_minutes_have_passed(rig: Rig, pool: Pool) -> None:
    one, other = await both(rig, pool)
    rig.later(minutes=14, seconds=55)
    asked_in_time = await rig.relay.sessions.dry_run(rig.account, wanted(pool, one, other))
    rig.later(seconds=10)

    assert asked_in_time
    assert await refusal(rig, wanted(pool, one, other)) == [(field, INVALID) for field in FIELDS]


async def test_a_token_is_refused_when_it_proves_something_else(rig: Rig, pool: Pool) -> None:
    """Another person's, another purpose's, another pool's, another account's, nobody's."""
    elsewhere = await strict_pool(rig, "elsewhere", 3, start=10)
    good = await proof(rig, pool, BOB)
    others = [
        await proof(rig, pool, CAROL),
        await proof(rig, pool, ALICE, PRIVACY),
        await proof(rig, elsewhere, ALICE),
        good,
        "",
        "A" * 43,
    ]
    assert pool.bucket != elsewhere.bucket

    for token in others:
        assert await refusal(rig, wanted(pool, token, good)) == [(FIELDS[0], INVALID)], token
    assert await opened(rig, wanted(pool, await proof(rig, pool, ALICE), good))


async def test_the_same_session_comes_when_the_same_request_is_made_again(rig: Rig, pool: Pool) -> None:
    """Its tokens are used by then, and too old."""
    session, seed = wanted(pool, *await both(rig, pool)), await rig.seed()
    first = await opened(rig, session, seed=seed)
    rig.later(minutes=20)

    assert (await opened(rig, session, seed=seed)).session.id == first.session.id
    assert await rig.value("select count(*) from session") == 1


async def test_a_token_is_not_spent_when_no_session_came_of_it(rig: Rig) -> None:
    pool = await strict_pool(rig, "default", 1)
    one, other = await both(rig, pool)
    await rig.relay.pools.change(rig.account, "default", require_verified=False)
    open_pool = (await rig.relay.configuration.refreshed()).pools[pool.id]
    standing = await rig.session(open_pool, ALICE, CAROL, cool_down=1)
    with pytest.raises(Conflict, match="no number"):
        await opened(rig, wanted(pool, one, other))
    await rig.relay.sessions.close(rig.account, standing.session.id)
    rig.later(seconds=2)

    assert await opened(rig, wanted(pool, one, other))


async def test_one_session_opens_when_thirty_two_bring_the_same_tokens(rig: Rig) -> None:
    """In both orders of the two people, so that whoever locks one token first meets whoever locked the other."""
    pool = await strict_pool(rig, "default", AT_ONCE + 1)
    await asyncio.gather(*(rig.value("select pg_sleep(0.3)") for _ in range(AT_ONCE)))  # as many open connections
    for n in range(10):
        one, other = phone(2 * n), phone(2 * n + 1)
        tokens = await proof(rig, pool, one), await proof(rig, pool, other)
        there = wanted(pool, *tokens, people=(one, other))
        back = wanted(pool, *reversed(tokens), people=(other, one))
        seeds = [await rig.seed() for _ in range(AT_ONCE)]
        results = await asyncio.gather(
            *(opened(rig, (there, back)[i % 2], seed=seed) for i, seed in enumerate(seeds)), return_exceptions=True
        )

        views = [result for result in results if isinstance(result, SessionView)]
        refused = [result for result in results if isinstance(result, InvalidInput)]
        assert (len(views), len(refused)) == (1, AT_ONCE - 1), results
        assert {result.code for result in refused} == {INVALID}
        used = await rig.value("select count(*) from verification where used_by = $1", views[0].session.id)
        assert (used, await rig.value("select count(*) from session")) == (2, n + 1)


async def test_the_second_waits_and_gets_nothing_when_two_take_a_proof_at_once(rig: Rig, pool: Pool) -> None:
    await proof(rig, pool, ALICE)
    (row,) = await rig.rows("select id, party_index from verification")
    proofs = [Proof(UUID(str(row["id"])), bytes(row["party_index"]))]  # type: ignore[call-overload]  # it is bytes
    first_has_it = asyncio.Event()

    async def take(n: int) -> list[UUID]:
        async with rig.relay.database.transaction() as tx:
            taken = await verifications.use(tx, pool.bucket, rig.account.id, SESSION, proofs, used_by=UUID(int=n))
            first_has_it.set()
            await asyncio.sleep(0.3)
            return taken

    first = asyncio.create_task(take(1))
    await first_has_it.wait()

    assert await take(2) == []
    assert await first == [row["id"]]


async def test_one_session_opens_when_one_token_is_brought_to_many_others(rig: Rig) -> None:
    """Alice proved her phone once; 16 people who proved theirs all want to talk to her."""
    pool = await rig.pool("default", numbers(20))
    one = await proof(rig, pool, ALICE)
    sessions = [wanted(pool, one, None, people=(ALICE, f"+1202555{n:04d}")) for n in range(101, 117)]
    results = await asyncio.gather(*(opened(rig, session) for session in sessions), return_exceptions=True)

    assert sum(isinstance(result, SessionView) for result in results) == 1
    assert sum(isinstance(result, InvalidInput) for result in results) == 15
