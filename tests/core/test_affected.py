"""What a leak is asked about: the words, the times, and the table that says which rows tell of what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay.core.affected import TOLD, Source, Window, columns_of, is_clear, read_leak
from relay.core.data_class import DataClass
from relay.core.errors import InvalidInput
from relay.core.retention import classified
from relay.storage.affected import COUNTED

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
C = DataClass


def leak(**asked: str) -> object:
    words = {"table": None, "data_class": None, "since": None, "until": None, **asked}
    return read_leak(**words, now=NOW)


def test_every_class_of_every_table_has_its_line_and_no_other_when_the_table_is_read() -> None:
    listed = {(table, data_class) for table, told in TOLD.items() for data_class in told}

    assert listed == {(table, data_class) for table, _, data_class in classified()}
    assert all(told.how for of_table in TOLD.values() for told in of_table.values())


def test_everything_that_is_told_of_can_be_counted_and_nothing_is_counted_in_vain() -> None:
    told = {told.by for of_table in TOLD.values() for told in of_table.values()}

    assert told == set(Source)
    assert set(Source) - {Source.CONFIGURED, Source.NOTHING} == COUNTED


def test_only_what_is_about_nobody_is_not_counted_when_an_account_asks() -> None:
    silent = {table for table, told in TOLD.items() for one in told.values() if one.by is Source.NOTHING}
    operation = {table for table, told in TOLD.items() if C.OPERATION in told}

    assert silent - operation == {
        "turn",
        "sealed_event",
        "numbered_event",
        "session_sequence",
        "delivery",
        "template",
        "bulk_close",
        "bulk_close_part",
        "audit_tree",
        "audit_tile",
        "audit_key",
        "audit_witness",
        "audit_reader",
        "console_link",
        "audit_export",
    }
    assert operation <= silent


def test_the_whole_database_was_copied_when_nothing_is_said() -> None:
    everything = read_leak(table=None, data_class=None, since=None, until=None, now=NOW)

    assert {reading.table for reading in everything.readings} == set(TOLD)
    assert everything.window == Window(None, NOW)


def test_a_table_has_each_of_its_classes_with_its_columns_when_it_is_named() -> None:
    found = read_leak(table="participant", data_class=None, since=None, until=None, now=NOW).readings
    phones = read_leak(table="participant", data_class="phone", since=None, until=None, now=NOW).readings

    assert [reading.data_class for reading in found] == [C.PHONE, C.PARTY_INDEX, C.SESSION]
    assert [reading.data_class for reading in phones] == [C.PHONE]
    assert columns_of(phones[0]) == ("sealed_phone", "epoch_id")


@pytest.mark.parametrize(("data_class", "clear"), [(C.PHONE, False), (C.PARTY_INDEX, False), (C.SESSION, True)])
def test_it_is_said_what_can_be_read_without_the_keyring(data_class: DataClass, clear: bool) -> None:
    assert is_clear(data_class) is clear


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"table": "phones"}, "table"),
        ({"table": ""}, "table"),
        ({"table": "session", "data_class": "phone"}, "class"),
        ({"data_class": "secrets"}, "class"),
        ({"since": "yesterday"}, "from"),
        ({"since": "2026-11-20"}, "from"),
        ({"since": "2026-11-20T08:00:00"}, "from"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"until": "2026-11-20T08:00:00"}, "until"),
        ({"since": "2026-11-20T08:00:01Z", "until": "2026-11-20T08:00:00Z"}, "from"),
        ({"since": "2026-11-21T12:00:01Z"}, "from"),
    ],
)
def test_a_question_is_refused_with_its_field_when_it_is_none(asked: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        leak(**asked)

    assert [problem.field for problem in refused.value.problems] == [field]


def test_the_allowed_words_are_said_when_a_table_is_unknown() -> None:
    with pytest.raises(InvalidInput) as refused:
        leak(table="phones")

    assert refused.value.problems[0].message == f"must be one of: {', '.join(TOLD)}"


def test_times_are_the_same_whatever_their_zone_when_they_are_read() -> None:
    same = {"since": "2026-11-20T09:00:00+01:00", "until": "2026-11-20T08:00:00Z"}
    window = read_leak(table=None, data_class=None, **same, now=NOW).window

    assert window == Window(datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 20, 8, tzinfo=UTC))
