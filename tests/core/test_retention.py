"""The list of data classes: complete, without doubles, and the page that is made from it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from relay.core import periods
from relay.core.data_class import DataClass
from relay.core.data_rules import RULES
from relay.core.delivery import MOVES
from relay.core.model import State
from relay.core.periods import keys_forgotten_before
from relay.core.retention import classified, overdue_before
from tests.privacy_page import PAGE, page

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_every_class_has_its_rule_and_no_column_has_two_when_the_list_is_read() -> None:
    columns = Counter((table, column) for table, column, _ in classified())

    assert set(RULES) == set(DataClass)
    assert [column for column, count in columns.items() if count > 1] == []
    assert all(rule.what and rule.people and rule.purpose and rule.until and rule.sealed_by for rule in RULES.values())


def test_the_periods_are_the_promised_ones() -> None:
    days = {name: rule.period / timedelta(days=1) for name, rule in RULES.items() if rule.period}

    assert days == {
        "carrier_copy": 7,
        "person": 1,
        "inbox_key": 90,
        "session": 90,
        "message": 90,
        "attempt": 90,
        "event": 30,
        "audit_entry": 396,
        "audit_export": 7,
        "bulk_close": 30,
        "privacy_request": 396,
        "export": 7,
        "automatic_answer": 1,
        "idempotency_answer": 1,
        "verification": 1,
        "turn": 1,
    }


def test_nothing_waits_to_leave_when_a_message_has_ended() -> None:
    """From no state that counts as an end does a path lead back to sending."""
    waiting = {State.QUEUED, State.SENDING, State.PARKED}

    assert set(periods.ENDED) == set(State) - waiting
    assert all(not MOVES[state] & waiting for state in periods.ENDED)


@pytest.mark.parametrize(
    ("has_connection", "signature_is_timed", "expected"),
    [
        (True, False, None),
        (True, True, NOW - timedelta(days=90)),
        (False, False, NOW),
        (False, True, NOW),
    ],
)
def test_inbox_keys_are_kept_for_as_long_as_a_delivery_could_be_replayed(
    has_connection: bool, signature_is_timed: bool, expected: datetime | None
) -> None:
    before = keys_forgotten_before(NOW, has_connection=has_connection, signature_is_timed=signature_is_timed)

    assert before == expected


@pytest.mark.parametrize(
    ("data_class", "before"),
    [
        (DataClass.EVENT, timedelta(days=30, hours=1)),
        (DataClass.MESSAGE, timedelta(days=90, hours=1)),
        (DataClass.TEXT, timedelta(hours=1)),
    ],
)
def test_a_row_is_overdue_when_an_hour_has_passed_since_it_was_due(data_class: DataClass, before: timedelta) -> None:
    assert overdue_before(data_class, NOW) == NOW - before


def test_the_table_on_the_page_is_the_one_that_the_list_makes() -> None:
    """Written anew by ``python -m tests.privacy_page``."""
    assert PAGE.read_text(encoding="utf-8") == page(PAGE.read_text(encoding="utf-8"))
