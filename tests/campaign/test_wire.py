"""The wire between Relay and PostgreSQL: where one message ends, what a break costs, and that it breaks where it is told to."""

from __future__ import annotations

import struct
from contextlib import suppress
from itertools import count

import asyncpg
import pytest

from relay.core.errors import StorageUnavailable
from relay.storage import database
from tests.campaign.wire import Course, Framing, Loss, Message, NotFramed, wire_to

pytestmark = pytest.mark.long

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
START_UP = struct.pack("!ii", 20, 196608) + b"user\0relay\0\0"


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!i", 4 + len(body)) + body


def heard(kind: str, body: bytes = b"", *, from_relay: bool) -> Message:
    return Message(from_relay, kind, message(kind, body))


def test_messages_are_whole_when_bytes_come_one_by_one() -> None:
    framing = Framing()
    said = SSL_REQUEST + START_UP + message("Q", b"select 1\0") + message("X")
    found = [m for byte in said for m in framing.feed(bytes([byte]), from_relay=True)]

    assert b"".join(m.data for m in found) == said
    assert [m.mark for m in found] == [">start", ">start", ">Q", ">X"]


def test_messages_are_told_apart_when_many_come_at_once() -> None:
    framing = Framing()
    framing.feed(SSL_REQUEST, from_relay=True)
    found = framing.feed(b"N" + message("R", b"\0\0\0\0") + message("Z", b"I"), from_relay=False)

    assert [(m.mark, m.data[:1]) for m in found] == [("<answer", b"N"), ("<R", b"R"), ("<Z", b"Z")]


@pytest.mark.parametrize("answer", [b"S", b"E"])
def test_a_connection_is_refused_when_it_is_encrypted(answer: bytes) -> None:
    framing = Framing()
    framing.feed(SSL_REQUEST, from_relay=True)

    with pytest.raises(NotFramed):
        framing.feed(answer, from_relay=False)


def test_bytes_are_refused_when_their_length_is_impossible() -> None:
    framing = Framing()

    with pytest.raises(NotFramed):
        framing.feed(b"Z" + struct.pack("!i", 3), from_relay=False)


INSERT = heard("P", b"one\0INSERT INTO t values ($1)\0\0\0", from_relay=True)
LOOK = heard("P", b"two\0select 1 for no key update\0\0\0", from_relay=True)
COMMITTED = heard("C", b"COMMIT\0", from_relay=False)
IDLE, WITHIN = heard("Z", b"I", from_relay=False), heard("Z", b"T", from_relay=False)
SYNC, BOUND = heard("S", b"", from_relay=True), heard("2", b"", from_relay=False)
REFUSED = heard("E", b"\0", from_relay=False)
COMMIT = heard("Q", b"COMMIT;\0", from_relay=True)


def bind(name: bytes) -> Message:
    return heard("B", b"\0" + name + b"\0", from_relay=True)


@pytest.mark.parametrize(
    ("before", "lost", "loss"),
    [
        ([LOOK, bind(b"two"), WITHIN], COMMIT, Loss.NOTHING),
        ([LOOK, bind(b"two"), WITHIN, COMMIT], COMMITTED, Loss.NOTHING),
        ([INSERT], bind(b"one"), Loss.NOTHING),
        ([WITHIN, INSERT, bind(b"one"), SYNC], WITHIN, Loss.UNDONE),
        ([INSERT, bind(b"one"), WITHIN], COMMIT, Loss.UNDONE),
        ([IDLE, INSERT, bind(b"one")], SYNC, Loss.UNDONE),
        ([IDLE, INSERT, bind(b"one"), SYNC], BOUND, Loss.UNSEEN),
        ([IDLE, INSERT, bind(b"one"), SYNC, REFUSED], IDLE, Loss.UNDONE),
        ([IDLE, INSERT, bind(b"one"), SYNC, BOUND, IDLE], bind(b"one"), Loss.NOTHING),
        ([INSERT, bind(b"one"), WITHIN, COMMIT], COMMITTED, Loss.UNSEEN),
        ([INSERT, bind(b"one"), WITHIN, COMMIT, COMMITTED], IDLE, Loss.UNSEEN),
        ([INSERT, bind(b"one"), WITHIN, COMMIT, COMMITTED, IDLE], bind(b"two"), Loss.NOTHING),
    ],
)
def test_a_loss_is_known_when_the_line_breaks(before: list[Message], lost: Message, loss: Loss) -> None:
    course = Course()
    for passed in before:
        course.follow(passed)

    assert course.loss(lost) is loss


async def test_nothing_changes_when_the_wire_is_whole(dsn: str) -> None:
    async with wire_to(dsn) as wire:
        connection = await asyncpg.connect(wire.dsn)
        found = await connection.fetchval("select repeat('x', 300000)")
        wire.begin()
        await connection.fetchval("select 1")
        marks = list(wire.marks)
        await connection.close()

    assert found == "x" * 300_000
    assert marks[0] == ">P"
    assert marks[-1] == "<Z"


@pytest.mark.parametrize("single", [False, True])
async def test_a_commit_happens_unseen_when_its_answer_is_cut(dsn: str, *, single: bool) -> None:
    """The same work, over a new line each time, is cut at each of its messages: what it left is what the wire said that the
    cut would cost.
    """
    seen: set[Loss] = set()
    plain = await asyncpg.connect(dsn)
    await plain.execute("create table kept (n int)")
    async with wire_to(dsn) as wire:
        for n in count(1):
            db = await database.connect(wire.dsn, connections=2)
            wire.begin(n)
            with suppress(StorageUnavailable):
                async with db.single() if single else db.transaction() as tx:
                    await tx.execute("insert into kept values ($1)", n)
            cut = wire.cut
            wire.begin()
            await db.close()
            kept = await plain.fetchval("select count(*) from kept where n = $1", n)
            if cut is None:
                break
            seen.add(cut.loss)
            assert kept == (cut.loss is Loss.UNSEEN)
    await plain.close()

    assert kept == 1
    assert seen == set(Loss)


async def test_nobody_comes_through_when_all_lines_are_down_until_it_is_mended(dsn: str) -> None:
    async with wire_to(dsn) as wire:
        connection = await asyncpg.connect(wire.dsn)
        wire.begin(1, all_lines=True)
        with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
            await connection.fetchval("select 1")
        with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
            await asyncpg.connect(wire.dsn)
        wire.mend()
        again = await asyncpg.connect(wire.dsn)
        found = await again.fetchval("select 1")
        await again.close()

    assert found == 1
