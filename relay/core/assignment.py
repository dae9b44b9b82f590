"""Which number a participant gets.

Each participant is assigned alone: any number of the pool will do on which this person holds no binding, neither open
nor cooling down. Preference: the number that the same two people had before, then the nearest, then chance. Whoever names
a number gets that one or none. Nothing is written here; the primary key of ``binding`` is what keeps a number from being
given twice, and who loses that race asks again with the number excluded.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from relay.core.errors import Conflict
from relay.core.model import GeoFallback, GeoMatch, NumberState


class NoNumber(StrEnum):
    """Why no number could be found."""

    IN_COUNTRY = "no_number_in_country"
    IN_AREA = "no_number_in_area_code"
    HELD = "all_held_by_this_person"
    NOT_GIVEN_OUT = "all_draining_or_reserved"
    NOT_REGISTERED = "not_registered_for_route"
    NOT_IN_POOL = "number_not_in_pool"


@dataclass(frozen=True, slots=True)
class PoolNumber:
    """A number of the pool. ``area_code`` is empty where the number belongs to no area, ``calling_code`` for a short code."""

    id: UUID
    country: str
    area_code: str
    state: NumberState
    calling_code: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A binding that this person holds: open while ``until`` is None, else cooling down until then."""

    number_id: UUID
    pair_index: bytes
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for one participant. ``chance`` is any whole number: it picks among equals."""

    country: str
    area_code: str
    geo_match: GeoMatch
    pair_index: bytes
    chance: int
    excluded: Set[UUID] = field(default_factory=frozenset)
    calling_code: str = ""
    geo_fallback: GeoFallback = GeoFallback.STRICT


@dataclass(frozen=True, slots=True)
class Unassigned:
    """Why there is no number, and when a cool-down will free one (None: not by waiting)."""

    reason: NoNumber
    free_at: datetime | None = None


def choose(numbers: Sequence[PoolNumber], held: Sequence[Held], wish: Wish) -> UUID | Unassigned:
    """Choose the id of the number for one participant, or say why there is none."""
    choice = _choose_near(numbers, held, wish)
    if isinstance(choice, Unassigned) and wish.geo_fallback is GeoFallback.NEAREST:
        return _choose_near(numbers, held, replace(wish, geo_match=GeoMatch.ANY))
    return choice


def take(numbers: Sequence[PoolNumber], held: Sequence[Held], number_id: UUID | None, wish: Wish) -> UUID | Unassigned:
    """The number that was named for one participant, however far away it is, or why they cannot have it. ``number_id`` None:
    what was named is no number of the account."""
    named = next((n for n in numbers if n.id == number_id), None)
    if named is None:
        return Unassigned(NoNumber.NOT_IN_POOL)
    if not may_hold(named.state, is_named=True):
        unregistered = named.state is NumberState.UNREGISTERED
        return Unassigned(NoNumber.NOT_REGISTERED if unregistered else NoNumber.NOT_GIVEN_OUT)
    if named.id in wish.excluded or any(b.number_id == named.id and not _is_theirs(b, wish) for b in held):
        return Unassigned(NoNumber.HELD, _free_at(held, {named.id}))
    return named.id


def may_hold(state: NumberState, *, is_named: bool) -> bool:
    """Whether a session may be given a number in this state: a reserved one only where somebody named it."""
    return state is NumberState.READY or (is_named and state is NumberState.RESERVED)


def _choose_near(numbers: Sequence[PoolNumber], held: Sequence[Held], wish: Wish) -> UUID | Unassigned:
    near = _near(numbers, wish)
    if isinstance(near, NoNumber):
        return Unassigned(near)
    ready = [n for n in near if n.state is NumberState.READY]
    if not ready:
        unregistered = all(n.state is NumberState.UNREGISTERED for n in near)
        return Unassigned(NoNumber.NOT_REGISTERED if unregistered else NoNumber.NOT_GIVEN_OUT)
    ids = {n.id for n in ready}
    for binding in held:  # nobody but the same two people may have these
        if _is_theirs(binding, wish) and binding.number_id in ids - wish.excluded:
            return binding.number_id
    taken = {binding.number_id for binding in held} | wish.excluded
    return _probe(ready, taken, wish) or Unassigned(NoNumber.HELD, _free_at(held, ids))


def _is_theirs(binding: Held, wish: Wish) -> bool:
    """Whether these two people, and nobody else, may have it again: it cools down from a session of theirs."""
    return binding.until is not None and binding.pair_index == wish.pair_index


def _near(numbers: Sequence[PoolNumber], wish: Wish) -> Sequence[PoolNumber] | NoNumber:
    """The numbers that are near enough, or which kind of nearness no number has."""
    if wish.geo_match is GeoMatch.ANY:
        return numbers or NoNumber.IN_COUNTRY
    in_country = [n for n in numbers if n.country == wish.country]
    if not in_country:
        return NoNumber.IN_COUNTRY
    if wish.geo_match is GeoMatch.COUNTRY:
        return in_country
    return [n for n in in_country if n.area_code and n.area_code == wish.area_code] or NoNumber.IN_AREA


def _probe(ready: Sequence[PoolNumber], taken: Set[UUID], wish: Wish) -> UUID | None:
    """Any of the nearest free numbers: chance spreads the load evenly, also over the few of one area code."""
    free = [n for n in ready if n.id not in taken]
    if not free:
        return None
    nearest = min(_distance(n, wish) for n in free)
    candidates = [n for n in free if _distance(n, wish) == nearest]
    return candidates[wish.chance % len(candidates)].id


def _distance(number: PoolNumber, wish: Wish) -> int:
    if number.country == wish.country:
        return 0 if number.area_code and number.area_code == wish.area_code else 1
    return 2 if number.calling_code and number.calling_code == wish.calling_code else 3


def _free_at(held: Sequence[Held], ids: Set[UUID]) -> datetime | None:
    """The end of the first cool-down, if one of these numbers is cooling."""
    return min((b.until for b in held if b.until is not None and b.number_id in ids), default=None)


def no_number(why: Unassigned, now: datetime) -> Conflict:
    """What a caller is told for whom there is no number, and when it is worth asking again."""
    wait = max(1, int((why.free_at - now).total_seconds()) + 1) if why.free_at else None
    message = f"no number can be given to a participant: {why.reason}"
    return Conflict(message, code="no_number_available", reason=why.reason, retry_after=wait)
