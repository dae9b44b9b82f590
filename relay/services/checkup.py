"""What a running installation looks like from inside its database, judged as an operator would.

``Checkup`` loads facts and changes nothing; the functions below it are pure and turn facts into findings. A problem keeps
texts from being sent or kept; a warning works today and deserves a look. A finding names accounts and pools, never a
person or a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from relay.core.errors import NotDurable
from relay.core.model import NumberState
from relay.core.scheduling import FURTHEST
from relay.storage import checkup, database, leases, numbers, outbox
from relay.storage.checkup import ServerFacts
from relay.storage.configuration import Configuration, Directory, Pool
from relay.storage.database import Database
from relay.storage.outbox import Depth

#: Clocks further apart than this make the search for ambiguous sends look in the wrong moment.
CLOCKS_MAY_DIFFER = timedelta(seconds=2)

#: phase -> how long its oldest text may wait without anybody looking into it. A parked one waits for a person.
MAY_WAIT: Mapping[str, timedelta] = {
    "queued": timedelta(minutes=15),
    "sending": timedelta(minutes=5),
    "unresolved": timedelta(minutes=15),
    "parked": timedelta(0),
    "scheduled": FURTHEST + timedelta(minutes=15),
}

_WHAT_TO_DO = {
    "queued": "is a worker running, and do the connections work?",
    "sending": "is a worker running? It decides about sends whose process is gone",
    "unresolved": "is a worker running? It looks for the fate of these sends",
    "parked": "retry or discard them: POST /v1/messages/{id}/retry or /discard",
    "scheduled": "is a worker running? It sends texts for later when their time has come",
}


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"  #: not looked at; the words say why


@dataclass(frozen=True, slots=True)
class Finding:
    """One check in words. ``advice``: what to do about it; empty where nothing needs doing."""

    check: str
    verdict: Verdict
    words: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool, the states of its numbers, and how many of them its busiest person holds."""

    account: str
    pool: Pool
    states: Mapping[NumberState, int]
    busiest_person: int


@dataclass(frozen=True, slots=True)
class Checkup:
    """Checks of the database. ``server`` and ``clock`` need no table of ours, all others the present schema."""

    database: Database
    configuration: Configuration

    async def server(self) -> list[Finding]:
        """Is it a server that can be trusted with texts?"""
        async with self.database.transaction() as tx:
            facts = await checkup.server(tx)
        try:
            await database.check_durable(self.database)
        except NotDurable as error:
            durable = Finding("durability", Verdict.PROBLEM, error.message, "set it to on in the server's settings")
        else:
            words = "fsync, full_page_writes and synchronous_commit keep what was confirmed"
            durable = Finding("durability", Verdict.OK, words)
        return [judge_server(facts), durable, judge_copies(facts)]

    async def clock(self, now: Callable[[], datetime]) -> Finding:
        """Do this machine and the database agree about the time?"""
        before = now()
        there = await self.database.now()
        after = now()
        return judge_clock(at_least=there - after, at_most=there - before)

    async def accounts(self) -> Finding:
        """Is there anybody to work for?"""
        names = (await self.configuration.refreshed()).accounts
        if not names:
            return Finding("accounts", Verdict.WARNING, "there is no account yet", "relay accounts add NAME")
        return Finding("accounts", Verdict.OK, f"{len(names)} account{_s(len(names))}")

    async def pools(self) -> list[Finding]:
        """Can sessions be opened in every pool?"""
        directory = await self.configuration.refreshed()
        return [judge_pool(await self._pool_facts(directory, pool)) for pool in directory.pools.values()]

    async def leases(self) -> Finding:
        """Does somebody send, and keep house, in every bucket?"""
        buckets = (await self.configuration.refreshed()).buckets
        async with self.database.transaction() as tx:
            unserved = await leases.free(tx, buckets)
            workers = await checkup.workers(tx, buckets)
        return judge_leases(workers=workers, buckets=len(buckets), unserved=len(unserved))

    async def texts(self) -> list[Finding]:
        """What waits, and for how long?"""
        found: list[Depth] = []
        for bucket in sorted((await self.configuration.refreshed()).buckets):
            async with self.database.transaction() as tx:
                found += await outbox.depth(tx, bucket)
        return judge_waiting(found, await self.database.now())

    async def _pool_facts(self, directory: Directory, pool: Pool) -> PoolFacts:
        rented = [number.id for number in directory.numbers_by_pool[pool.id]]
        async with self.database.transaction() as tx:
            states = await numbers.states(tx, pool.bucket)
            use = await numbers.pool_use(
                tx, pool.bucket, account_id=pool.account_id, pool_id=pool.id, number_ids=rented
            )
        counts = Counter(states[number_id] for number_id in rented if number_id in states)
        return PoolFacts(directory.accounts[pool.account_id].name, pool, counts, use.busiest_person)


def judge_server(facts: ServerFacts) -> Finding:
    if facts.is_standby:
        advice = "let RELAY_DATABASE_URL lead to the primary (target_session_attrs=primary)"
        return Finding("database", Verdict.PROBLEM, "the database is a standby: nothing can be written", advice)
    return Finding("database", Verdict.OK, f"PostgreSQL {facts.version} answers")


def judge_copies(facts: ServerFacts) -> Finding:
    """Replication that no commit waits for loses texts that were acknowledged, when it is needed."""
    if not facts.copies:
        return Finding("replication", Verdict.OK, "no other server copies this one: it is as durable as its disk")
    copied = f"copied by {facts.copies} other server{_s(facts.copies)}"
    if facts.commit_waits_for_a_copy:
        return Finding("replication", Verdict.OK, f"{copied}, and commits wait for that")
    words = f"{copied}, but no commit waits for that: a failover may lose texts that were acknowledged"
    advice = "set synchronous_standby_names, and synchronous_commit to on"
    return Finding("replication", Verdict.WARNING, words, advice)


def judge_clock(*, at_least: timedelta, at_most: timedelta) -> Finding:
    """How far the database's clock is ahead of ours: somewhere between the two."""
    if at_least <= CLOCKS_MAY_DIFFER and at_most >= -CLOCKS_MAY_DIFFER:
        return Finding("clock", Verdict.OK, "this machine and the database agree about the time")
    apart = abs((at_least + at_most) / 2).total_seconds()
    direction = "ahead of" if at_least > timedelta(0) else "behind"
    words = f"the database's clock is {apart:.0f} s {direction} this machine's"
    return Finding("clock", Verdict.WARNING, words, "let both follow NTP: one of them is wrong")


def judge_pool(facts: PoolFacts) -> Finding:
    """May sessions be opened in it, and will they get numbers?"""
    name = f"{facts.account}/{facts.pool.name}"
    ready, total = facts.states.get(NumberState.READY, 0), sum(facts.states.values())
    states = ", ".join(f"{count} {state}" for state, count in sorted(facts.states.items()))
    if not facts.pool.ready:
        return Finding("pool", Verdict.WARNING, f"{name} is still being prepared", "a running worker finishes it")
    if not total:
        return Finding("pool", Verdict.WARNING, f"{name} has no numbers", "relay numbers add")
    if not ready:
        advice = "relay numbers set ID --state ready, or add others"
        return Finding("pool", Verdict.WARNING, f"{name} has no ready number ({states}): no session can open", advice)
    if facts.busiest_person >= ready:
        words = f"{name}: one person holds {facts.busiest_person} of its numbers ({states}) and can get no other"
        return Finding("pool", Verdict.WARNING, words, "relay numbers add")
    return Finding("pool", Verdict.OK, f"{name}: {states}; the busiest person holds {facts.busiest_person}")


def judge_leases(*, workers: int, buckets: int, unserved: int) -> Finding:
    """``workers``: processes that hold any bucket."""
    if not buckets:
        return Finding("leases", Verdict.OK, "there is nothing to work for yet")
    if not unserved:
        words = f"every bucket ({buckets}) is served, by {workers} process{'' if workers == 1 else 'es'}"
        return Finding("leases", Verdict.OK, words)
    advice = "start `relay serve` or `relay worker`; a running one takes a new bucket within seconds"
    words = f"nobody serves {unserved} of {buckets} bucket{_s(buckets)}: nothing is sent from there"
    return Finding("leases", Verdict.WARNING, words, advice)


def judge_waiting(depths: Sequence[Depth], now: datetime) -> list[Finding]:
    """One finding per phase in which anything waits, or the one that nothing does."""
    counts: Counter[str] = Counter()
    oldest: dict[str, datetime] = {}
    for depth in depths:
        counts[depth.phase] += depth.rows
        oldest[depth.phase] = min(depth.oldest, oldest.get(depth.phase, depth.oldest))
    if not counts:
        return [Finding("texts", Verdict.OK, "no text waits")]
    return [_judge_phase(phase, counts[phase], now - oldest[phase]) for phase in MAY_WAIT if counts[phase]]


def _judge_phase(phase: str, count: int, age: timedelta) -> Finding:
    minutes = max(0, int(age.total_seconds())) // 60
    words = f"{count} {phase}; the oldest came {minutes} minute{_s(minutes)} ago"
    if age <= MAY_WAIT[phase]:
        return Finding("texts", Verdict.OK, words)
    return Finding("texts", Verdict.WARNING, words, _WHAT_TO_DO[phase])


def _s(count: int) -> str:
    return "" if count == 1 else "s"
