"""Assignment: cases by name, and the whole of it against a slow statement of the rules that shares no code with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.assignment import Held, NoNumber, PoolNumber, Unassigned, Wish, choose, may_hold, take
from relay.core.model import GeoFallback, GeoMatch, NumberState

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOON, LATER = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
PAIR, OTHER_PAIR = b"p" * 16, b"q" * 16


_CALLING_CODES = {"US": "1", "CA": "1", "SE": "46"}


def number(n: int, country: str = "US", area_code: str = "202", state: NumberState = NumberState.READY) -> PoolNumber:
    """The pool's number ``n``."""
    return PoolNumber(UUID(int=n), country, area_code, state, _CALLING_CODES[country])


def held(n: int, until: datetime | None = None, pair_index: bytes = OTHER_PAIR) -> Held:
    """A binding of this person on number ``n``: open, or cooling down."""
    return Held(UUID(int=n), pair_index, until)


def wish(geo_match: GeoMatch = GeoMatch.COUNTRY, chance: int = 0, *excluded: int) -> Wish:
    """What somebody in Washington asks for."""
    return Wish("US", "202", geo_match, PAIR, chance, frozenset(UUID(int=n) for n in excluded), "1")


def nearest(geo_match: GeoMatch, *excluded: int) -> Wish:
    """The same, with whatever is nearest if nothing is as near as that."""
    return replace(wish(geo_match, 0, *excluded), geo_fallback=GeoFallback.NEAREST)


WASHINGTON, NEW_YORK, SWEDEN = number(1), number(2, area_code="212"), number(3, "SE", "")
TORONTO = number(4, "CA", "416")
WORLD = [SWEDEN, TORONTO, NEW_YORK, WASHINGTON]
POOL = [WASHINGTON, NEW_YORK, SWEDEN]
AREA, COUNTRY, ANY = GeoMatch.AREA_CODE, GeoMatch.COUNTRY, GeoMatch.ANY

CHOSEN = {
    "the nearest": ([SWEDEN, NEW_YORK, WASHINGTON], [], wish(ANY), 1),
    "the nearest of the country": ([NEW_YORK, WASHINGTON], [], wish(COUNTRY), 1),
    "the only one of the area": (POOL, [], wish(AREA), 1),
    "the next nearest, the nearest is open": (POOL, [held(1)], wish(COUNTRY), 2),
    "the next nearest, the nearest cools down": (POOL, [held(1, SOON)], wish(COUNTRY), 2),
    "abroad, where all at home are held": (POOL, [held(1), held(2)], wish(ANY), 3),
    "the next after a lost race": (POOL, [], wish(COUNTRY, 0, 1), 2),
    "their own cooling one": (POOL, [held(1, SOON, PAIR)], wish(COUNTRY), 1),
    "their own cooling one, though another is nearer": (POOL, [held(2, SOON, PAIR)], wish(COUNTRY), 2),
    "another, their own was lost to a race": (POOL, [held(1, SOON, PAIR)], wish(COUNTRY, 0, 1), 2),
    "another, they have an open one": (POOL, [held(1, None, PAIR)], wish(COUNTRY), 2),
    "another, their own drains": (
        [replace(WASHINGTON, state=NumberState.DRAINING), NEW_YORK],
        [held(1, SOON, PAIR)],
        wish(COUNTRY),
        2,
    ),
    "another, their own is too far away": (POOL, [held(3, SOON, PAIR)], wish(COUNTRY), 1),
    "another, their own has left the pool": (POOL, [held(9, SOON, PAIR)], wish(COUNTRY), 1),
    "chance decides among equals": ([number(n) for n in range(5)], [], wish(COUNTRY, 3), 3),
    "chance counts the free ones": ([number(n) for n in range(5)], [held(0), held(4)], wish(COUNTRY, 4), 2),
    "chance is any whole number": ([number(n) for n in range(5)], [], wish(COUNTRY, -1), 4),
    "of their calling code, rather than any": ([SWEDEN, TORONTO], [], wish(ANY), 4),
    "nearest: as near as asked, if there is one": (WORLD, [], nearest(AREA), 1),
    "nearest: the country's, none of the area is free": (WORLD, [held(1)], nearest(AREA), 2),
    "nearest: their calling code's, none of the country is free": (WORLD, [held(1), held(2)], nearest(COUNTRY), 4),
    "nearest: any, all else was lost": (WORLD, [], nearest(AREA, 1, 2, 4), 3),
    "nearest: abroad, none of the country is in the pool": ([SWEDEN], [], nearest(AREA), 3),
    "nearest: abroad, those at home drain": (
        [replace(WASHINGTON, state=NumberState.DRAINING), SWEDEN],
        [],
        nearest(COUNTRY),
        3,
    ),
    "nearest: at home, though their own abroad cools down": (WORLD, [held(3, SOON, PAIR)], nearest(COUNTRY), 1),
    "no area in common": ([number(1, area_code="")], [], replace(wish(COUNTRY), area_code=""), 1),
}


@pytest.mark.parametrize(("numbers", "holds", "wanted", "n"), CHOSEN.values(), ids=CHOSEN.keys())
def test_a_number_is_chosen_when_the_pool_is_this(
    numbers: list[PoolNumber], holds: list[Held], wanted: Wish, n: int
) -> None:
    assert choose(numbers, holds, wanted) == UUID(int=n)


UNASSIGNED = {
    "empty pool": ([], [], wish(ANY), NoNumber.IN_COUNTRY, None),
    "nothing in the country": ([SWEDEN], [], wish(COUNTRY), NoNumber.IN_COUNTRY, None),
    "nothing in the country, let alone the area": ([SWEDEN], [], wish(AREA), NoNumber.IN_COUNTRY, None),
    "nothing in the area": ([NEW_YORK], [], wish(AREA), NoNumber.IN_AREA, None),
    "no area is no area in common": (
        [number(1, area_code="")],
        [],
        replace(wish(AREA), area_code=""),
        NoNumber.IN_AREA,
        None,
    ),
    "all open": (POOL, [held(1), held(2)], wish(COUNTRY), NoNumber.HELD, None),
    "one cools down": (POOL, [held(1), held(2, LATER)], wish(COUNTRY), NoNumber.HELD, LATER),
    "two cool down": (POOL, [held(1, LATER), held(2, SOON)], wish(COUNTRY), NoNumber.HELD, SOON),
    "one cools down too far away": (
        [WASHINGTON, SWEDEN],
        [held(1, LATER), held(3, SOON)],
        wish(COUNTRY),
        NoNumber.HELD,
        LATER,
    ),
    "all lost to races": (POOL, [], wish(COUNTRY, 0, 1, 2), NoNumber.HELD, None),
    "none registered": (
        [number(n, state=NumberState.UNREGISTERED) for n in (1, 2)],
        [],
        wish(COUNTRY),
        NoNumber.NOT_REGISTERED,
        None,
    ),
    "one drains, one is not registered": (
        [number(1, state=NumberState.UNREGISTERED), number(2, state=NumberState.DRAINING)],
        [],
        wish(COUNTRY),
        NoNumber.NOT_GIVEN_OUT,
        None,
    ),
    "nearest: all held, one abroad cools down": (
        [WASHINGTON, SWEDEN],
        [held(1), held(3, SOON)],
        nearest(COUNTRY),
        NoNumber.HELD,
        SOON,
    ),
    "nearest: an empty pool": ([], [], nearest(AREA), NoNumber.IN_COUNTRY, None),
    "a ready one abroad is no help": (
        [number(1, state=NumberState.RESERVED), SWEDEN],
        [],
        wish(COUNTRY),
        NoNumber.NOT_GIVEN_OUT,
        None,
    ),
}


@pytest.mark.parametrize(
    ("numbers", "holds", "wanted", "reason", "free_at"), UNASSIGNED.values(), ids=UNASSIGNED.keys()
)
def test_it_is_said_why_when_there_is_no_number(
    numbers: list[PoolNumber], holds: list[Held], wanted: Wish, reason: NoNumber, free_at: datetime | None
) -> None:
    assert choose(numbers, holds, wanted) == Unassigned(reason, free_at)


@pytest.mark.parametrize("state", [state for state in NumberState if state is not NumberState.READY])
def test_a_number_is_not_given_out_when_it_is_anything_but_ready(state: NumberState) -> None:
    assert isinstance(choose([number(1, state=state)], [], wish(ANY)), Unassigned)
    assert choose([number(1, state=state), NEW_YORK], [], wish(ANY)) == NEW_YORK.id


RESERVED = replace(WASHINGTON, state=NumberState.RESERVED)
_FREED = Unassigned(NoNumber.HELD, SOON)

NAMED = {
    "one far away": (WORLD, [], 3, wish(AREA), SWEDEN.id),
    "a reserved one": ([RESERVED], [], 1, wish(), RESERVED.id),
    "one that they hold": (WORLD, [held(1)], 1, wish(), Unassigned(NoNumber.HELD)),
    "one that cools down for others": (WORLD, [held(1, SOON)], 1, wish(), _FREED),
    "one that cools down for these two": (WORLD, [held(1, SOON, PAIR)], 1, wish(), WASHINGTON.id),
    "one that is open for these two": (WORLD, [held(1, None, PAIR)], 1, wish(), Unassigned(NoNumber.HELD)),
    "one that was lost to a race": (WORLD, [], 1, wish(COUNTRY, 0, 1), Unassigned(NoNumber.HELD)),
    "one of another pool": (WORLD, [], 9, wish(), Unassigned(NoNumber.NOT_IN_POOL)),
    "none of ours": (WORLD, [], None, wish(), Unassigned(NoNumber.NOT_IN_POOL)),
    "one that drains": (
        [replace(WASHINGTON, state=NumberState.DRAINING)],
        [],
        1,
        wish(),
        Unassigned(NoNumber.NOT_GIVEN_OUT),
    ),
    "one that is not registered": (
        [replace(WASHINGTON, state=NumberState.UNREGISTERED)],
        [],
        1,
        wish(),
        Unassigned(NoNumber.NOT_REGISTERED),
    ),
    "held, though the wish falls back": (WORLD, [held(1)], 1, nearest(AREA), Unassigned(NoNumber.HELD)),
}


@pytest.mark.parametrize(("numbers", "holds", "n", "wanted", "expected"), NAMED.values(), ids=NAMED.keys())
def test_that_number_or_none_is_given_when_it_is_named(
    numbers: list[PoolNumber], holds: list[Held], n: int | None, wanted: Wish, expected: UUID | Unassigned
) -> None:
    named = UUID(int=n) if n is not None else None

    assert take(numbers, holds, named, wanted) == expected


def test_a_reserved_number_may_be_held_only_when_somebody_named_it() -> None:
    may = {(state, named) for state in NumberState for named in (True, False) if may_hold(state, is_named=named)}

    assert may == {(NumberState.READY, True), (NumberState.READY, False), (NumberState.RESERVED, True)}


# What follows states the rules as sets of acceptable answers, by looking at every number alone.


def near_enough(n: PoolNumber, wanted: Wish) -> bool:
    """Is this number within the distance that was asked for?"""
    same_area = n.country == wanted.country and n.area_code != "" and n.area_code == wanted.area_code
    return {ANY: True, COUNTRY: n.country == wanted.country, AREA: same_area}[wanted.geo_match]


def farther(n: PoolNumber, wanted: Wish) -> tuple[bool, bool, bool]:
    """Sorts after nearer ones."""
    abroad = n.country != wanted.country
    far_away = n.calling_code == "" or n.calling_code != wanted.calling_code
    return far_away, abroad, abroad or n.area_code == "" or n.area_code != wanted.area_code


def own_again(candidates: list[PoolNumber], holds: list[Held], wanted: Wish) -> set[UUID]:
    """The numbers that cool down for these same two people."""
    cooling = {h.number_id for h in holds if h.until is not None and h.pair_index == wanted.pair_index}
    return {n.id for n in candidates} & cooling - wanted.excluded


def acceptable(numbers: list[PoolNumber], holds: list[Held], wanted: Wish) -> set[UUID]:
    """Every number that chance may choose among."""
    found = acceptable_as_near(numbers, holds, wanted)
    if not found and wanted.geo_fallback is GeoFallback.NEAREST:
        return acceptable_as_near(numbers, holds, replace(wanted, geo_match=ANY))
    return found


def acceptable_as_near(numbers: list[PoolNumber], holds: list[Held], wanted: Wish) -> set[UUID]:
    candidates = [n for n in numbers if n.state == "ready" and near_enough(n, wanted)]
    own = own_again(candidates, holds, wanted)
    if own:
        return own
    free = [n for n in candidates if all(n.id != h.number_id for h in holds) and n.id not in wanted.excluded]
    nearest = min((farther(n, wanted) for n in free), default=None)
    return {n.id for n in free if farther(n, wanted) == nearest}


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[PoolNumber], list[Held], Wish]:
    """Small worlds, in which every clash is likely."""
    ids = st.integers(0, 7)
    places = st.tuples(st.sampled_from(["US", "SE", "CA"]), st.sampled_from(["", "202", "212"]))
    ready_mostly = st.sampled_from([NumberState.READY] * 4 + list(NumberState))
    numbers = [number(n, *draw(places), draw(ready_mostly)) for n in sorted(draw(st.sets(ids)))]
    untils = st.none() | st.integers(1, 3).map(lambda hours: NOON + timedelta(hours=hours))
    pairs = st.sampled_from([PAIR, OTHER_PAIR, OTHER_PAIR])
    holds = [held(n, draw(untils), draw(pairs)) for n in draw(st.lists(ids, unique=True, max_size=5))]
    excluded = frozenset(UUID(int=n) for n in draw(st.sets(ids, max_size=2)))
    area_code = draw(st.sampled_from(["", "202", "212"]))
    geo_match, fallback = draw(st.sampled_from(GeoMatch)), draw(st.sampled_from(GeoFallback))
    chance = draw(st.integers())
    return numbers, holds, Wish("US", area_code, geo_match, PAIR, chance, excluded, "1", fallback)


@settings(deadline=None, max_examples=300)
@given(pools())
def test_the_choice_is_acceptable_when_held_against_the_rules(world: tuple[list[PoolNumber], list[Held], Wish]) -> None:
    good = acceptable(*world)
    choice = choose(*world)

    assert choice in good if good else isinstance(choice, Unassigned)


@settings(deadline=None, max_examples=200)
@given(pools())
def test_every_acceptable_number_has_the_same_chance_when_none_is_their_own(
    world: tuple[list[PoolNumber], list[Held], Wish],
) -> None:
    """As many chances in a row as there are acceptable numbers give each of them once."""
    numbers, holds, wanted = world
    if own_again([n for n in numbers if n.state == "ready"], holds, wanted):
        return
    good = acceptable(*world)
    choices = {choose(numbers, holds, replace(wanted, chance=wanted.chance + n)) for n in range(len(good))}

    assert choices == good


@settings(deadline=None, max_examples=200)
@given(pools())
def test_the_reason_is_true_when_nothing_is_acceptable(world: tuple[list[PoolNumber], list[Held], Wish]) -> None:
    numbers, holds, wanted = world
    choice = choose(*world)
    if isinstance(choice, UUID):
        return
    if wanted.geo_fallback is GeoFallback.NEAREST:
        wanted = replace(wanted, geo_match=ANY)
    near = [n for n in numbers if near_enough(n, wanted)]
    ready = {n.id for n in near if n.state == "ready"}
    at_home = wanted.geo_match is ANY or any(n.country == wanted.country for n in numbers)
    ends = [h.until for h in holds if h.until is not None and h.number_id in ready]

    assert choice.free_at == (min(ends) if ends else None)
    assert {
        NoNumber.IN_COUNTRY: not near and not (numbers and at_home),
        NoNumber.IN_AREA: not near and at_home and wanted.geo_match is AREA,
        NoNumber.NOT_REGISTERED: bool(near) and {str(n.state) for n in near} == {"unregistered"},
        NoNumber.NOT_GIVEN_OUT: bool(near) and not ready and {str(n.state) for n in near} != {"unregistered"},
        NoNumber.HELD: bool(ready) and ready <= {h.number_id for h in holds} | wanted.excluded,
    }[choice.reason]


def test_the_load_is_even_when_the_nearest_stand_together() -> None:
    """Free numbers behind taken or distant ones must not get the share of those as well."""
    near, far = [number(n) for n in range(4)], [number(n, area_code="212") for n in range(4, 10)]
    choices = [choose([*near, *far], [held(0)], wish(COUNTRY, chance)) for chance in range(300)]

    assert [choices.count(n.id) for n in near] == [0, 100, 100, 100]


def test_chance_spreads_people_evenly_over_the_few_numbers_of_their_area_code() -> None:
    """A probe that begins at a random place of the whole pool would find the first of the area's numbers nearly always."""
    others = [number(n, area_code="415") for n in range(90)]
    near = [number(n, area_code="202") for n in range(100, 110)]
    pool = [*others[:50], *near, *others[50:]]

    chosen = [choose(pool, [], replace(wish(COUNTRY, chance), area_code="202")) for chance in range(1000)]

    assert {n: chosen.count(n) for n in set(chosen)} == {n.id: 100 for n in near}
