"""The benchmark's own parts: who texts whom, the judge, the load's connections, the table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.bench import table
from tests.bench.judge import judge
from tests.bench.lines import Lines, post
from tests.bench.load import Load, Said
from tests.bench.runs import Result
from tests.bench.talks import Talk, number, pairings, phone

ANN, BOB = "+12015550150", "+12015550151"
ONE, TWO = "+12025550100", "+12025550101"
TO_BOB = Talk(ANN, ONE, BOB, TWO)
Ledger = list[tuple[int, str, str, float]]


def run() -> tuple[Load, Ledger]:
    """Ann says two things, one after the other; both arrive."""
    said = [Said(n, TO_BOB, b"", posted=float(n), acked=n + 0.5) for n in (1, 2)]
    load = Load(said)
    load.answers[204] = 2
    return load, [(1, TWO, BOB, 1.7), (2, TWO, BOB, 2.7)]


def lost(_: Load, ledger: Ledger) -> None:
    ledger.pop()


def doubled(_: Load, ledger: Ledger) -> None:
    ledger.append(ledger[0])


def misrouted(_: Load, ledger: Ledger) -> None:
    ledger[0] = (1, TWO, ANN, 1.7)


def from_another_number(_: Load, ledger: Ledger) -> None:
    ledger[0] = (1, ONE, BOB, 1.7)


def overtaken(_: Load, ledger: Ledger) -> None:
    ledger.reverse()


def strange_answer(load: Load, _: Ledger) -> None:
    load.answers[500] += 1


def test_nothing_is_said_when_every_promise_held() -> None:
    load, ledger = run()

    assert judge(load, ledger, receipts=len(ledger)) == []


@pytest.mark.parametrize("breaks", [lost, doubled, misrouted, from_another_number, overtaken, strange_answer])
def test_a_broken_promise_is_told(breaks: Callable[[Load, Ledger], None]) -> None:
    load, ledger = run()
    breaks(load, ledger)

    assert len(judge(load, ledger, receipts=len(ledger))) == 1


def test_a_receipt_that_was_not_taken_is_told() -> None:
    load, ledger = run()

    assert judge(load, ledger, receipts=len(ledger) - 1) == ["I12: 1 receipts were not taken"]


def test_each_person_knows_one_session_by_a_number_when_many_are_open() -> None:
    found = [talk for pairing in pairings(100_000) for talk in pairing.talks()]

    assert len({(talk.number, talk.sender) for talk in found}) == len(found)
    assert len({talk.number for talk in found}) > 1000


def test_people_and_numbers_never_share_a_phone() -> None:
    assert not {phone(n) for n in range(39_000)} & {number(n) for n in range(1024)}


async def test_each_request_is_answered_when_connections_break_now_and_then() -> None:
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        while not reader.at_eof() and await reader.readline():
            while (await reader.readline()).strip():
                pass
            await reader.readexactly(2)
            served += 1
            if served % 7 == 0:
                break
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = "http://{}:{}".format(*server.sockets[0].getsockname())
    lines, told = Lines(url, 3), asyncio.Queue[int]()
    await lines.open()
    for _ in range(50):
        lines.ask(post(url + "/x", {}, b"ok"), told.put_nowait)
    heard = [await told.get() for _ in range(50)]
    lines.close()
    await asyncio.sleep(0.05)  # both ends hear of it
    server.close()

    assert heard.count(204) == 50 - 50 // 7
    assert heard.count(0) == 50 // 7


@pytest.mark.parametrize(("naive", "void"), [(100.0, False), (20.0, True)])
def test_a_run_is_void_when_the_naive_build_was_held_back(naive: float, *, void: bool) -> None:
    told = table.facts(
        [Result("pgbench, one by one", [2000.0]), Result("naive async", [naive]), Result("relay", [800.0])]
    )

    assert any("VOID" in line for line in table.lines(told)) == void
    assert told["rows"][2]["to naive"] == 800 / naive


def test_the_picture_can_be_drawn_when_names_have_strange_letters() -> None:
    told = table.facts([Result("relay, <&>", [10.0, 30.0, 20.0])])

    assert ElementTree.fromstring(table.picture(told)).tag.endswith("svg")
