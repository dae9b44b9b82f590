"""Three hundred people, thirty numbers, a thousand sessions, four thousand texts, and a judge who was not told the rules.

The same run is then searched for every phone and every text, wherever one could have been left.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.core.notices import Phrase, say
from tests.acceptance.canary import Canary, dump_of
from tests.acceptance.marketplace import MARK, Marketplace
from tests.acceptance.oracle import Entry, Opened, Verdict, judge
from tests.acceptance.processes import Process, running_sandbox

pytestmark = pytest.mark.long

PEOPLE = [f"+1{area}55501{n:02}" for area in (202, 415, 212, 312, 305, 206) for n in range(50, 100)]
STRANGERS = [f"+161755501{n:02}" for n in range(50, 60)]
NUMBERS = {
    "north": [f"+161755501{n:02}" for n in range(10)],
    "south": [f"+151255501{n:02}" for n in range(10)],
    "west": [f"+150355501{n:02}" for n in range(10)],
}
PHASES = (334, 333, 333)
NOTICES = [say(phrase, language="en", own_words={}) for phrase in (Phrase.ENDED, Phrase.UNDELIVERABLE)]


@dataclass(frozen=True, slots=True)
class Run:
    """What a whole run left behind."""

    market: Marketplace
    ledger: list[Entry]
    verdict: Verdict
    answers: Sequence[str]
    metrics: str
    database_url: str
    folder: Path
    process: Process


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run serves all tests of this module; the sandbox stays up for them."""
    folder = tmp_path_factory.mktemp("oracle")
    with asyncio.Runner() as runner:
        stream = _played(folder)
        yield runner.run(_first(stream))
        runner.run(stream.aclose())


async def _first(stream: AsyncGenerator[Run, None]) -> Run:
    return await anext(stream)


async def _played(folder: Path) -> AsyncGenerator[Run, None]:
    async with running_sandbox(folder) as sandbox:
        market = Marketplace(sandbox)
        try:
            await _play(market, random.Random(20261121))
            ledger = await market.ledger()
            page = (await market.api.get("/metrics")).text
        finally:
            await market.close()
        verdict = judge(market.log, ledger, notices=NOTICES)
        yield Run(market, ledger, verdict, market.answers, page, sandbox["database_url"], folder, sandbox["process"])


async def _play(market: Marketplace, chance: random.Random) -> None:
    for name, numbers in NUMBERS.items():
        await market.pool(name, numbers, rate=200)
    for phase, count in enumerate(PHASES):
        await _phase(market, chance, phase, count)


async def _phase(market: Marketplace, chance: random.Random, phase: int, count: int) -> None:
    """Everybody is in two sessions at once, texts are crossed with closes; then time passes until all numbers are free."""
    room = asyncio.Semaphore(12)

    opened = await asyncio.gather(*(_open(market, chance, pair, room) for pair in _pairs(phase, count)))
    async with asyncio.TaskGroup() as group:
        for session in opened:
            group.create_task(_talk(market, chance, session, room))
        for stranger in STRANGERS:
            group.create_task(market.text(stranger, chance.choice(NUMBERS["north"])))
    await market.drained()
    await market.advance(2 * 3600)
    await market.all_ended()
    for session in chance.sample(opened, 20):
        sender, number = chance.choice(list(session.numbers.items()))
        await market.text(sender, number)
    await market.drained()
    await market.advance(3 * 3600)


def _pairs(phase: int, count: int) -> list[tuple[str, str]]:
    """Rings of different width: each person sits next to two others, and to new ones in each phase."""
    n = len(PEOPLE)
    return [(PEOPLE[i % n], PEOPLE[(i + 1 + phase + (i // n) * 7) % n]) for i in range(count)]


async def _open(market: Marketplace, chance: random.Random, pair: tuple[str, str], room: asyncio.Semaphore) -> Opened:
    async with room:
        pool = chance.choice(list(NUMBERS))
        return await market.open(*pair, pool=pool, expires_in=3600, cool_down=3600)


async def _talk(market: Marketplace, chance: random.Random, session: Opened, room: asyncio.Semaphore) -> None:
    """Four texts in both directions, in an order of their own; some sessions close, and somebody texts too late."""
    people = list(session.numbers)
    for sender in chance.sample(people * 2, 4):
        async with room:
            await market.text(sender, session.numbers[sender])
    if chance.random() < 0.5:
        async with room:
            await market.end(session.session)
            await market.text(people[0], session.numbers[people[0]])


def test_every_text_reached_the_right_person_and_nobody_else(run: Run) -> None:
    print(f"\n{len(run.market.log.texted)} texts in {len(run.market.log.opened)} sessions: {run.verdict}")

    assert run.verdict.complaints == []
    assert len(run.market.log.opened) == 1000
    assert len(run.market.log.texted) >= 4000
    assert run.verdict.delivered >= 3900


def test_bindings_were_assigned_again_to_other_people(run: Run) -> None:
    """Otherwise the run would show nothing about what a cool-down protects."""
    partners: dict[tuple[str, str], set[str]] = {}
    for opened in run.market.log.opened:
        for person, number in opened.numbers.items():
            partners.setdefault((number, person), set()).update(set(opened.numbers) - {person})

    assert sum(len(others) > 1 for others in partners.values()) >= 100


def test_each_person_was_in_two_sessions_at_once_on_two_numbers(run: Run) -> None:
    first = run.market.log.opened[: PHASES[0]]
    held = Counter(person for opened in first for person in opened.numbers)

    assert min(held[person] for person in PEOPLE) >= 2
    for person in PEOPLE:
        numbers = [opened.numbers[person] for opened in first if person in opened.numbers]
        assert len(set(numbers)) == len(numbers)


def test_no_phone_and_no_text_was_left_anywhere(run: Run) -> None:
    canary = Canary([*PEOPLE, *STRANGERS], [MARK])
    dump = asyncio.run(dump_of(run.database_url))
    log = run.process.log.read_text()

    assert len(dump) > 1_000_000
    assert canary.finds(dump) == []
    assert canary.finds(log) == []
    assert canary.finds(run.metrics) == []
    assert canary.finds("\n".join(run.answers)) == []


def test_no_phone_and_no_text_is_in_the_files_of_the_database(run: Run) -> None:
    """Not even in what was deleted, nor in the write-ahead log."""
    canary = Canary([*PEOPLE, *STRANGERS], [MARK])
    found: dict[str, list[str]] = {}
    seen = 0
    for path in (run.folder / "data").rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # the server is running, and writes some files anew
            content = path.read_bytes()
            seen += len(content)
            found[path.name] = canary.finds(content.decode("latin-1"))

    assert seen > 10_000_000
    assert {name: what for name, what in found.items() if what} == {}
