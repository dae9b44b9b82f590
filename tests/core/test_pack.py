"""The lines and files of an evidence pack: one spelling each, and nothing in a table that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.core import pack
from relay.core.entries import Direction, Fact, decoded, encoded, record_of
from relay.core.errors import EvidenceRefused
from relay.core.pack import About, PackedEntry

RECORD = encoded(
    {"schema": 1, "id": "a" * 32, "time": "2026-11-21T12:34:00Z", "account": "acc_x", "event": "session.opened"}
)
SALT = bytes(range(32))
KEPT = PackedEntry(7, RECORD, SALT)
ERASED = PackedEntry(7, None, None, bytes(32))
LINE = KEPT.written()


@pytest.mark.parametrize("entry", [KEPT, ERASED], ids=["kept", "erased"])
def test_a_line_is_read_as_it_was_written_and_is_json(entry: PackedEntry) -> None:
    said = json.loads(entry.written())

    assert pack.parse_entry(entry.written()) == entry
    assert said["index"] == 7
    assert said.get("record", RECORD.decode()) == RECORD.decode()


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"",
            b"\n",
            b"{}\n",
            b"[]\n",
            b"7\n",
            b"null\n",
            b'"x"\n',
            b"\xff\n",
            b"[" * 5000,
            LINE[:-1],
            LINE[:-2] + b"\n",
        ),
        *(
            LINE + b"\n",
            b" " + LINE,
            LINE.replace(b":7", b": 7"),
            LINE.replace(b":7", b":7.0"),
            LINE.replace(b":7", b":true"),
        ),
        *(LINE.replace(b":7", b":-7"), LINE.replace(b":7", b":07"), LINE.replace(b":7", b":" + b"7" * 5000)),
        *(
            LINE.replace(b"salt", b"leaf"),
            LINE.replace(b"}\n", b',"leaf":""}\n'),
            LINE.replace(b"session", b"s\\u0065ssion"),
        ),
        *(LINE.replace(b'{"index":7', b'{"index":7,"index":7'), LINE.replace(b"AAEC", b"AAE=")),
        *(ERASED.written().replace(b'AA="', b'AB="'), b'{"index":7,"leaf":"AAAA"}\n', b'{"index":7,"leaf":null}\n'),
        b'{"index":7,"record":5,"salt":5}\n',
    ],
)
def test_a_line_is_refused_when_it_is_spelled_otherwise(line: bytes) -> None:
    with pytest.raises(EvidenceRefused):
        pack.parse_entry(line)


#: What spreadsheets have been made to run (OWASP, "CSV Injection"), each with what they get instead.
FORMULAS = [
    ("=1+1", '"\'=1+1"'),
    ("+1", '"\'+1"'),
    ("-1", '"\'-1"'),
    ("@SUM(A1)", '"\'@SUM(A1)"'),
    ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
    ('=HYPERLINK("http://x.example","y")', '"\'=HYPERLINK(""http://x.example"",""y"")"'),
    ("\t=1", '"\'\t=1"'),
    ("\r=1", '"\'\r=1"'),
    ("\n=1", '"\'\n=1"'),
    ("＝1", '"\'＝1"'),
    ("＋1", '"\'＋1"'),
    ("－1", '"\'－1"'),
    ("＠x", '"\'＠x"'),
    ('a";=1+1', '"a"";=1+1"'),
    ("a,=1+1", '"a,=1+1"'),
    ("a;=1+1", '"a;=1+1"'),
    ("a\n=1+1", '"a\n=1+1"'),
]


@pytest.mark.parametrize(("value", "written"), FORMULAS)
def test_a_formula_is_text_when_it_is_in_a_table(value: str, written: str) -> None:
    (read,) = next(csv.reader(io.StringIO(pack.cell(value), newline="")))

    assert pack.cell(value) == written
    assert not read.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("value", ["session.opened", "2026-11-21T12:34:00Z", "acc_x", "", 12])
def test_a_plain_value_stays_as_it_is(value: str | int) -> None:
    assert pack.cell(value) == str(value)


def test_a_number_below_zero_is_text() -> None:
    """Segments never are; whoever writes a table cannot know."""
    assert pack.cell(-1) == '"\'-1"'


def test_a_table_has_a_column_for_all_that_a_record_may_say() -> None:
    row = UUID(int=1)
    fact = Fact(
        id=row,
        account_id=row,
        type="message.refused",
        at=datetime(2026, 11, 21, tzinfo=UTC),
        session_id=row,
        participant_id=row,
        message_id=row,
        number_id=row,
        verification_id=row,
        rule_id=row,
        reason="opted_out",
        direction=Direction.IN,
        segments=2,
        provider="twilio",
        country="SE",
    )
    said = decoded(record_of(fact, bytes(32)))
    (row_read,) = csv.DictReader(io.StringIO((pack.table_head() + pack.table_line(3, said)).decode(), newline=""))

    assert row_read == {"index": "3", "state": "kept", **{name: str(value) for name, value in said.items()}}
    assert set(pack.COLUMNS) == {"index", "state", *said}


def test_an_erased_entry_has_its_line_in_the_table() -> None:
    (row,) = csv.DictReader(io.StringIO((pack.table_head() + pack.table_line(3, None)).decode(), newline=""))

    assert {name: value for name, value in row.items() if value} == {"index": "3", "state": "erased"}


@pytest.mark.parametrize("record", [{"colour": "red"}, {"index": 5}, {"state": "kept"}])
def test_a_record_is_refused_when_a_table_has_no_place_for_it(record: dict[str, str | int]) -> None:
    with pytest.raises(ValueError, match="no column"):
        pack.table_line(1, record)


def test_contents_are_read_as_they_were_written() -> None:
    about = About("relay.example/log/acc_x", 10, 2, 9, "2026-11-21T00:00:00Z", None)

    assert pack.parse_about(about.written()) == about


@pytest.mark.parametrize(
    "about",
    [
        About("x", 10, 5, 4),
        About("x", 10, 0, 11),
        About("x", 10, -1, 4),
        About("x", 10, 0, 4, "yesterday"),
        About("x", 10, False, 4),
        About(5, 10, 0, 4),  # type: ignore[arg-type]  # what a stranger may have written
    ],
)
def test_contents_are_refused_when_they_cannot_be(about: About) -> None:
    with pytest.raises(EvidenceRefused):
        pack.parse_about(about.written())


@pytest.mark.parametrize("written", [b"", b"[]", b"{}", b"\xff", b'{"format": 1}'])
def test_contents_are_refused_when_they_are_something_else(written: bytes) -> None:
    with pytest.raises(EvidenceRefused):
        pack.parse_about(written)


SUMS = dict.fromkeys(pack.LISTED, "0" * 64)


def test_sums_are_read_as_they_were_written() -> None:
    assert pack.parse_sums(pack.written_sums(SUMS)) == SUMS


@pytest.mark.parametrize(
    "written",
    [
        b"",
        pack.written_sums(SUMS)[:-1],
        pack.written_sums(SUMS) + b"\n",
        pack.written_sums(SUMS).split(b"\n", 1)[1],
        pack.written_sums(SUMS).replace(b"  ", b" *"),
        pack.written_sums(SUMS).replace(b"leaves", b"../leaves"),
        pack.written_sums(SUMS) + pack.written_sums(SUMS),
    ],
)
def test_sums_are_refused_when_they_do_not_list_every_file_once(written: bytes) -> None:
    with pytest.raises(EvidenceRefused):
        pack.parse_sums(written)
