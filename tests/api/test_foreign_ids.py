"""Nobody learns from an id whether it exists: foreign, unknown and malformed ones are answered alike, to the byte."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest

from relay.core import ids
from relay.core.ids import IdKind
from tests.api.answers import told
from tests.api.contract import CONTRACT, FRANK, KINDS, Row, World, furnished
from tests.api.rig import ALICE, Api, opening

pytestmark = pytest.mark.long

WITH_ID = [row for row in CONTRACT if row.thing]
_PROBES = {
    "/v1/sessions/{}": (IdKind.SESSION, 1000),
    "/v1/messages/{}": (IdKind.MESSAGE, 600),
    "/v1/numbers/{}": (IdKind.NUMBER, 300),
}


def misspelt(kind: IdKind, real: str) -> Iterator[str]:
    """Ways of not being an id, beginning with a real one of somebody's."""
    letters = real.split("_", 1)[1]
    other = next(k for k in IdKind if k is not kind)
    yield from (real[:-1], real + "a", real.upper(), f"{kind}{letters}", f"{kind}__{letters}", f"{other}_{letters}")
    yield from (letters, f"{real}=", f" {real}", f"{real} ", f"{real}\n", f"{real}\x00", f"\x00{real}")
    # base32 has spare bits in its last letter: another spelling of the same bytes is another id
    yield real[:-1] + chr(ord(real[-1]) + 1)
    yield from (real.replace("a", "1"), f"{kind}_" + "é" * 26, f"{kind}_" + "a" * 2000, "*", "%", "null", ".well-known")


def at(row: Row, written: str, own: World) -> str:
    return row.at({**own, row.thing: quote(written, safe="")})


@pytest.mark.parametrize("row", WITH_ID, ids=str)
async def test_every_id_is_answered_like_an_unknown_one_when_it_is_not_the_callers(api: Api, row: Row) -> None:
    other = await api.other_account()
    own, foreign = await furnished(api), await furnished_elsewhere(other)
    kind = KINDS[row.thing]
    real = ids.parse(kind, foreign[row.thing])
    unknown = ids.public(kind, UUID(int=real.int ^ 1 << 30))
    body = row.said(own)
    expected = told(await api.ask(row.method, at(row, unknown, own), body))

    assert expected[0] == 404
    for written in (foreign[row.thing], *misspelt(kind, own[row.thing])):
        assert told(await api.ask(row.method, at(row, written, own), body)) == expected, repr(written)


async def furnished_elsewhere(other: Api) -> World:
    """The world of another account, which needs its own pool for it."""
    pool = await other.made("/v1/pools", {"name": "default"})
    for number in ("+12025550100", "+12025550101"):
        await other.made("/v1/numbers", {"number": number, "connection": other.connection, "pool": pool["id"]})
    return await furnished(other)


async def test_nothing_of_a_foreign_account_changes_when_all_its_ids_are_tried(api: Api) -> None:
    other = await api.other_account()
    own, foreign = await furnished(api), await furnished_elsewhere(other)
    reads = [row for row in CONTRACT if row.method == "GET"]
    before = [but_for_the_clock(await other.ask("GET", row.at(foreign))) for row in reads]
    for row in WITH_ID:
        await api.ask(row.method, row.at(foreign), row.said(own))

    assert [but_for_the_clock(await other.ask("GET", row.at(foreign))) for row in reads] == before


def but_for_the_clock(answer: httpx.Response) -> str:
    """An answer without what changes by itself: when a report was made, and how old things are by then."""
    return re.sub(r'"(at|until)":"[^"]*"|"oldest_age":\d+', "", answer.text)


async def test_foreign_names_are_free_to_take_when_another_account_uses_them(api: Api) -> None:
    """A conflict would tell that the name exists."""
    other = await api.other_account()
    await furnished_elsewhere(other)
    await other.session(unique_name="trip-991")
    await api.made("/v1/pools", {"name": "empty"})

    assert (await api.session(unique_name="trip-991"))["unique_name"] == "trip-991"


async def test_foreign_participants_are_unknown_when_a_text_is_for_them(api: Api) -> None:
    other = await api.other_account()
    own, foreign = await furnished(api), await furnished_elsewhere(other)
    real = ids.parse(IdKind.PARTICIPANT, foreign["participant"])
    unknown = ids.public(IdKind.PARTICIPANT, UUID(int=real.int ^ 1 << 30))
    answers = [
        await api.ask("POST", f"/v1/sessions/{own['session']}/messages", {"to": to, "text": "It is here."})
        for to in (foreign["participant"], unknown, ALICE)
    ]

    assert [told(answer) for answer in answers] == [told(answers[0])] * 3
    assert answers[0].status_code == 422


async def test_nobody_is_found_when_a_participant_is_of_another_session(api: Api) -> None:
    """Of another account's, of another of one's own, of none."""
    other = await api.other_account()
    own, foreign = await furnished(api), await furnished_elsewhere(other)
    real = ids.parse(IdKind.PARTICIPANT, own["participant"])
    others = [
        ids.public(IdKind.PARTICIPANT, UUID(int=real.int ^ 1 << 30)),
        foreign["participant"],
        (await api.session(ALICE, FRANK))["participants"][1]["id"],
        *misspelt(IdKind.PARTICIPANT, own["participant"]),
    ]
    path = f"/v1/sessions/{own['session']}/participants/{{}}/replace"
    answers = [await api.ask("POST", path.format(quote(pid, safe="")), {"phone": FRANK}) for pid in others]

    assert [told(answer) for answer in answers] == [told(answers[0])] * len(others)
    assert answers[0].status_code == 404


def probes(kind: IdKind, real: UUID, count: int, *, chance: random.Random) -> Iterator[str]:
    """Ids at random, and ids near a real one: one or two of its bits changed."""
    for i in range(count):
        if i % 2:
            yield ids.public(kind, UUID(int=chance.getrandbits(128)))
            continue
        flipped = real.int ^ 1 << chance.randrange(128) ^ (1 << chance.randrange(128) if i % 4 else 0)
        yield ids.public(kind, UUID(int=flipped))


async def test_probes_are_indistinguishable_when_somebody_hunts_for_ids(api: Api) -> None:
    other = await api.other_account()
    foreign = await furnished_elsewhere(other)
    things = {IdKind.SESSION: "session", IdKind.MESSAGE: "parked", IdKind.NUMBER: "number"}
    chance = random.Random(20261120)
    for path, (kind, count) in _PROBES.items():
        real = foreign[things[kind]]
        tried = [real, *probes(kind, ids.parse(kind, real), count, chance=chance)]
        seen = set()
        for i in range(0, len(tried), 8):
            asked = (api.ask("GET", path.format(written)) for written in tried[i : i + 8])
            seen |= {str(told(answer)) for answer in await asyncio.gather(*asked)}

        assert len(seen) == 1, (path, seen)


async def test_a_number_in_a_body_tells_nothing_when_it_is_another_accounts(api: Api) -> None:
    """The account imports a number that another one has, and one that nobody has: the same answer."""
    other = await api.other_account()
    await furnished_elsewhere(other)
    taken = await api.ask("POST", "/v1/numbers", {"number": "+12025550108", "connection": api.connection})
    free = await api.ask("POST", "/v1/numbers", {"number": "+12025550107", "connection": api.connection})

    assert (taken.status_code, free.status_code) == (201, 201)
    assert taken.json().keys() == free.json().keys()


async def test_a_session_in_a_foreign_pool_is_refused_like_one_in_no_pool_when_opened(api: Api) -> None:
    other = await api.other_account()
    foreign = await furnished_elsewhere(other)
    unknown = ids.public(IdKind.POOL, UUID(int=ids.parse(IdKind.POOL, foreign["empty pool"]).int ^ 1 << 30))
    answers = [
        await api.ask("POST", "/v1/sessions", opening(pool=pool)) for pool in (foreign["empty pool"], unknown, "-")
    ]

    assert [told(answer) for answer in answers] == [told(answers[0])] * 3
