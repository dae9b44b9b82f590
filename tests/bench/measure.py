"""One measurement: texts go in at one place, and it is watched until the last of them has left and been told delivered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.judge import Ledger, judge
from tests.bench.load import Said, flood, open_loop, talks, texts
from tests.bench.place import Place

_TALKING = 20_000  # sessions in which something is said, of those that there are
_STUCK = 10.0  # seconds without anything new: what is missing then does not come


@dataclass(frozen=True, slots=True)
class Figures:
    """``rate``: texts a second, from the first post to the last receipt. ``cpu``: microseconds a text, by process.
    ``acks`` and ``relays``: seconds from when a text was due to its 2xx, and to the carrier. ``broken``: promises.
    ``apart``: seconds to the carrier of those that are counted apart, and are in neither of these."""

    rate: float
    cpu: Mapping[str, float]
    acks: Sequence[float] = field(repr=False)
    relays: Sequence[float] = field(repr=False)
    answers: Mapping[int, int]
    broken: Sequence[str]
    apart: Sequence[float] = field(default=(), repr=False)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


@dataclass(slots=True)
class Bench:
    """Measures one place as often as wanted. ``apart``: numbers whose texts are counted apart."""

    place: Place
    apart: frozenset[str] = frozenset()
    _serial: int = 1

    async def saturated(self, count: int, *, lines: int) -> Figures:
        """Post so many texts as fast as they are answered."""
        return await self._measure(count, rate=None, lines=lines)

    async def steady(self, rate: float, seconds: float) -> Figures:
        """Post so many texts a second, each at its own time."""
        return await self._measure(int(rate * seconds), rate=rate, lines=256)

    async def _measure(self, count: int, *, rate: float | None, lines: int) -> Figures:
        place = self.place
        chosen = talks(min(place.sessions, _TALKING), seed=self._serial, pools=place.pools)
        said = texts(place.inbound, chosen, count, first=self._serial)
        self._serial += count
        await place.forget()
        before = place.spent()
        if rate is None:
            load = await flood(place.inbound, said, lines=lines)
        else:
            load = await open_loop(place.inbound, said, rate=rate, lines=lines)
        ended = await self._drained(count)
        ledger, receipts = await place.ledger()
        apart = [one for one in said if one.talk.number in self.apart]
        counted = [one for one in said if one.talk.number not in self.apart] if apart else said
        spent = {name: used - before[name] for name, used in place.spent().items()}
        return Figures(
            rate=count / (ended - load.began),
            cpu={name: used / count * 1e6 for name, used in spent.items()},
            acks=[one.acked - one.due for one in counted if one.acked],
            relays=_relays(counted, ledger),
            answers=load.answers,
            broken=judge(load, ledger, receipts),
            apart=_relays(apart, ledger),
        )

    async def _drained(self, count: int) -> float:
        """Wait until the carrier has everything and each receipt was taken, or nothing new comes; returns when the last came."""
        seen, ended = (0, 0), time.time()
        while min(seen) < count and time.time() - ended < _STUCK:
            await asyncio.sleep(0.05)
            if (now := await self.place.left()) != seen:
                seen, ended = now, time.time()
        return ended


def _relays(said: Sequence[Said], ledger: Ledger) -> list[float]:
    left = {serial: when for serial, _, _, when in ledger}
    return [left[one.serial] - one.due for one in said if one.serial in left]
