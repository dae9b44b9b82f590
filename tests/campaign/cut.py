"""``python -m tests.campaign.cut``: the database's line breaks at every single message of everything that Relay does.

For each scenario an uncut run tells how many messages pass. Then, for each of them, the line breaks in front of it, twice:
once that connection alone breaks and the process lives; once every connection does and the process is gone. What the
outside world does about it is the scenario's; that the world is right in the end is looked at here. A position counts only
when the run came to it by the same messages as the uncut one. ``--scenario inbound --at 17`` replays one position.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay import logs
from relay.core.errors import StorageUnavailable
from relay.storage import database, migrate
from relay.storage.embedded import find_binaries, start_embedded
from relay.wiring import Relay
from tests.campaign.cut_case import Case
from tests.campaign.cut_place import Place, Stuck, quick, settle_down
from tests.campaign.cut_scenarios import SCENARIOS
from tests.campaign.wire import Cut, Loss, Wire, wire_to
from tests.services.moves import check_moves, watch_moves

_STRAYS = 5  # runs that came to a position by other messages, before it is given up
_NO_DISK = {"fsync": "off", "full_page_writes": "off"}  # the server itself never crashes here
_LONG = 1.0  # seconds: what takes longer is worth a look
_ENDS_WITHIN = 0.05  # seconds that a task of a process that is gone has, before it is ended again

#: What must be zero when everything has come to rest.
_HALF_DONE = {
    "sends that nobody answers for": "select count(*) from outbox where phase in ('sending', 'unresolved')",
    "open attempts": "select count(*) from attempt where outcome is null",
    "opt-outs on their way": "select count(*) from fanout",
    "waiting rows without a waiting message": "select count(*) from outbox o left join message m on m.id = o.message_id"
    " where m.state is distinct from o.phase",
    "waiting messages without their text": "select count(*) from message m left join outbox o on o.message_id = m.id"
    " where m.state in ('queued', 'sending') and o.message_id is null",
    "bindings of nobody": "select count(*) from binding b left join participant p on p.id = b.participant_id"
    " where (b.held_until = 'infinity') is distinct from (p.status = 'live')",
    "sessions with more or fewer live people than they should have": "select count(*) from session s"
    " where (select count(*) from participant p where p.session_id = s.id and p.status = 'live')"
    " <> case s.status when 'open' then 2 else 0 end",
    "live people without their binding": "select count(*) from participant p left join binding b"
    " on b.participant_id = p.id and b.held_until = 'infinity' where p.status = 'live' and b.session_id is null",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: where it was cut, the messages up to there, what was wrong, and how long the acting took (seconds)."""

    cut: Cut | None
    marks: tuple[str, ...]
    wrong: tuple[str, ...]
    seconds: float


@dataclass(slots=True)
class Told:
    """What a scenario has shown."""

    name: str
    messages: int
    reached: int = 0
    losses: dict[Loss, int] = field(default_factory=lambda: dict.fromkeys(Loss, 0))
    violations: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)
    seconds: float = 0.0
    wanted: int = 0

    def add(self, at: int, way: str, ran: Ran) -> None:
        self.violations += [f"{self.name} --at {at}, {way}: {what}" for what in ran.wrong]
        self.slowest = max(self.slowest, (ran.seconds, at))

    def line(self) -> str:
        return (
            f"{self.name}: {self.reached} of {self.wanted} positions, {self.losses[Loss.UNSEEN]} committed unseen,"
            f" {self.losses[Loss.UNDONE]} undone, {len(self.violations)} violations, {self.seconds:.1f} s"
        )


class Campaign:
    """Runs scenarios at one place, over one wire."""

    def __init__(self, place: Place, wire: Wire) -> None:
        self._place = place
        self._wire = wire

    async def tell(self, name: str, positions: Callable[[Sequence[str]], Iterable[int]]) -> Told:
        """Cut a scenario in front of some of its messages: ``positions`` chooses them by the marks of all, from 1."""
        began = time.monotonic()
        kind = SCENARIOS[name]
        await self._rehearse(kind)
        uncut = await self._run(kind)
        told = Told(name, len(uncut.marks), violations=[f"{name}, uncut: {what}" for what in uncut.wrong])
        for at in positions(uncut.marks):
            told.wanted += 1
            cuts = [await self._try(kind, told, uncut, at, gone=gone) for gone in (False, True)]
            told.reached += all(cuts)
            if cuts[0]:
                told.losses[cuts[0].loss] += 1
        told.seconds = time.monotonic() - began
        return told

    async def _try(self, kind: type[Case], told: Told, uncut: Ran, at: int, *, gone: bool) -> Cut | None:
        """Cut at this position. None, and a violation, when no run came to it as the uncut one did."""
        way = "process gone" if gone else "process lives"
        for _ in range(_STRAYS):
            await self._rehearse(kind)
            ran = await self._run(kind, at, gone=gone)
            told.add(at, way, ran)
            if ran.cut is not None and ran.marks == uncut.marks[:at]:
                return ran.cut
        told.violations.append(f"{told.name} --at {at}, {way}: never came to it by the same way")
        return None

    async def _set_up(self, kind: type[Case]) -> Case:
        """An empty world but for what has happened before, and a process behind the wire that has just started."""
        place = self._place
        await place.forget()
        await place.start(place.looking)
        case = kind(place)
        await case.prepare()
        await place.start(place.wired)
        await place.fill_pool()
        return case

    async def _rehearse(self, kind: type[Case]) -> None:
        """Act once, so that new connections have prepared what the next run needs, as those of the uncut run had."""
        self._wire.begin()
        await _act(await self._set_up(kind))

    async def _run(self, kind: type[Case], at: int = 0, *, gone: bool = False) -> Ran:
        """Once; ``at`` 0 is uncut."""
        wire = self._wire
        case = await self._set_up(kind)
        began = time.monotonic()
        wire.begin(at, all_lines=gone)
        await (self._act_and_vanish(case) if gone else _act(case))
        marks, cut = tuple(wire.marks), wire.cut
        wire.mend()
        seconds = time.monotonic() - began
        wrong = await self._end(case, gone=gone and cut is not None)
        return Ran(cut, marks[:at] if at else marks, tuple(wrong), seconds)

    async def _act_and_vanish(self, case: Case) -> None:
        """Act; when the wire breaks, the process and everything that it had begun is no more."""
        known = asyncio.all_tasks()
        acting = asyncio.create_task(_act(case))
        broken = asyncio.create_task(self._wire.broken.wait())
        await asyncio.wait({acting, broken}, return_when=asyncio.FIRST_COMPLETED)
        broken.cancel()
        if self._wire.cut is None:
            return
        while left := {task for task in asyncio.all_tasks() - known - self._wire.tasks if not _outlives_it(task)}:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_ENDS_WITHIN)  # not for ever: the driver may swallow what ends a task
        case.answer = None
        await self._place.start(self._place.looking)

    async def _end(self, case: Case, *, gone: bool) -> list[str]:
        """Let the world do what it does, and say what is wrong with it then."""
        try:
            await case.afterwards(gone=gone)
            wrong = await case.wrong()
        except (Stuck, StorageUnavailable) as error:
            return [f"{type(error).__name__}: {error}"]
        try:
            await check_moves(self._place.looking)
        except AssertionError as error:
            wrong.append(f"a change of state without its one event, or none that is allowed: {error}")
        for what, counted in _HALF_DONE.items():
            ((count,),) = await self._place.rows(counted)
            if count:
                wrong.append(f"{what}: {count}")
        return wrong


def _outlives_it(task: asyncio.Task[Any]) -> bool:
    """The driver's pool and the loop's accepting for the wire are no part of the process: what they do is theirs to end.

    A release that is cancelled would cost the pool a connection, an accepting one would leave a socket open.
    """
    name = getattr(task.get_coro(), "__qualname__", "")
    return name.startswith(("Pool.", "BaseSelectorEventLoop."))


async def _act(case: Case) -> None:
    with suppress(StorageUnavailable):  # a worker's turn is put off
        await case.act()


@asynccontextmanager
async def campaign(dsn: str, *, plant: Callable[[Relay], Relay] = lambda relay: relay) -> AsyncIterator[Campaign]:
    """A campaign in an empty, migrated database. ``plant`` changes how each process is built."""
    looking = await database.connect(dsn, connections=4)
    await watch_moves(looking)
    with quick():
        async with wire_to(dsn) as wire:
            wired = await database.connect(wire.dsn, connections=4)
            place = await settle_down(wired, looking, plant)
            try:
                yield Campaign(place, wire)
            finally:
                await place.leave()
                await wired.close()
                await looking.close()


async def cut_everywhere(dsn: str, names: Sequence[str]) -> list[Told]:
    """Cut these scenarios at every position, in an empty database that is migrated here; say what each has shown.

    Raises StorageUnavailable when that database does not answer.
    """
    async with _migrated(dsn) as cutting:
        return [await _everywhere(cutting, name) for name in names]


async def _everywhere(cutting: Campaign, name: str) -> Told:
    told = await cutting.tell(name, lambda marks: range(1, len(marks) + 1))
    if not all(told.losses[loss] for loss in (Loss.UNSEEN, Loss.UNDONE)):
        told.violations.append(f"{name}: no cut came before a commit, or none came after one")
    _show(told)
    return told


async def _replay(dsn: str, names: Sequence[str], at: int) -> list[Told]:
    """Cut at one position."""
    tellings = []
    async with _migrated(dsn) as cutting:
        for name in names:
            tellings.append(await cutting.tell(name, lambda _: [at]))
            _show(tellings[-1])
    return tellings


@asynccontextmanager
async def _migrated(dsn: str) -> AsyncIterator[Campaign]:
    db = await database.connect(dsn, connections=2)
    await migrate.migrate(db)
    await db.close()
    async with campaign(dsn) as cutting:
        yield cutting


def _show(told: Told) -> None:
    print(told.line(), flush=True)
    if told.slowest[0] > _LONG:
        print(f"  the slowest took {told.slowest[0]:.1f} s: --at {told.slowest[1]}")
    for violation in told.violations:
        print(f"  {violation}", flush=True)


def main() -> int:
    """Returns 1 when anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign.cut", description="Cut the database's line everywhere."
    )
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--at", type=int, help="only this position")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        logs.configure(stream=log)
        binaries = find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)
        with start_embedded(Path(folder) / "postgres", binaries=binaries, settings=_NO_DISK) as server:
            cuts = (
                _replay(server.dsn, given.scenario, given.at)
                if given.at
                else cut_everywhere(server.dsn, given.scenario)
            )
            tellings = asyncio.run(cuts)
    return 1 if any(told.violations for told in tellings) else 0


if __name__ == "__main__":
    sys.exit(main())
