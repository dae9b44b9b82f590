"""The journal: added to by many, never losing what was counted on, silent about people."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from relay.core.errors import KeyringRefused
from relay.core.journal import Entry
from relay.core.model import CloseReason
from relay.vault.journal_file import JournalFile

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> JournalFile:
    return JournalFile(tmp_path / "keyring.journal")


def entries(*numbers: int) -> list[Entry]:
    return [Entry(UUID(int=n), CloseReason.EXPIRED, AT) for n in numbers]


def test_there_is_no_journal_before_anything_was_told(journal: JournalFile) -> None:
    assert journal.end() is None
    assert journal.after(0) == []
    assert not journal.path.exists()


def test_what_was_told_comes_back_in_order_and_from_any_place(journal: JournalFile) -> None:
    first = journal.append(entries(1, 2))
    second = journal.append(entries(3))

    assert (first.position, second.position) == (2, 3)
    assert journal.end() == second
    assert journal.after(0) == entries(1, 2, 3)
    assert journal.after(2) == entries(3)
    assert journal.after(3) == []
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_session_that_goes_on_is_told_with_how_often_its_people_changed(journal: JournalFile) -> None:
    told = [Entry(UUID(int=1), CloseReason.API, AT), Entry(UUID(int=1), None, AT, seating=3, people_since=2)]
    journal.append(told)

    assert journal.after(0) == told


def test_an_entry_of_an_earlier_version_is_read(journal: JournalFile) -> None:
    journal.append(entries(1))
    written = journal.path.read_bytes().replace(b', "seating": 0, "people_since": 0', b"")
    journal.path.write_bytes(written)

    assert b"seating" not in written
    assert journal.after(0) == entries(1)


def test_the_end_is_found_in_a_long_journal(journal: JournalFile) -> None:
    for start in range(0, 1000, 100):
        end = journal.append(entries(*range(start, start + 100)))

    assert end.position == 1000
    assert journal.append(entries(7)).position == 1001
    assert len(journal.after(0)) == 1001


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_that_was_cut_short_is_written_over(journal: JournalFile, cut: int) -> None:
    journal.append(entries(1, 2))
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-cut])
    left = journal.after(0)
    end = journal.append(entries(3))

    assert left == entries(1)
    assert end.position == 2
    assert journal.after(0) == entries(1, 3)


def test_nothing_is_lost_when_many_tell_at_once(journal: JournalFile) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: journal.append(entries(n)), range(80)))

    told = journal.after(0)
    assert sorted(entry.session_id.int for entry in told) == list(range(80))
    assert journal.end() is not None
    assert journal.append([]).position == 80


@pytest.mark.parametrize("content", [b"{}\n", b"nothing\n", b'{"relay_journal": 9, "id": "x"}\n', b"[1]\n"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(journal: JournalFile, content: bytes) -> None:
    journal.path.write_bytes(content)

    with pytest.raises(KeyringRefused, match="not a journal"):
        journal.append(entries(1))
    assert journal.path.read_bytes() == content
