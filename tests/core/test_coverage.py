"""What must be told of a row in the state it is in, and what is wrong with an event: tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from relay.core.coverage import LOOKED_BACK, Fault, Sealed, Stood, expected, fault_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
THEN, LATER = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
ROW = UUID(int=7)

OF_ROWS = {
    ("messages", "queued", LATER): ["message.received"],
    ("messages", "sending", LATER): ["message.received"],
    ("messages", "delivered", LATER): ["message.received", "message.delivered"],
    ("messages", "refused", LATER): ["message.received", "message.refused"],
    ("messages", "refused", THEN): ["message.refused"],
    ("sessions", "", None): ["session.opened"],
    ("sessions", "idle", LATER): ["session.opened", "session.closed"],
    ("sessions", "erased", LATER): ["session.opened", "session.closed", "session.erased"],
    ("verifications", "pending", None): ["verification.started"],
    ("verifications", "failed", None): ["verification.started", "verification.failed"],
    ("numbers", "draining", None): ["number.draining"],
    ("numbers", "unregistered", None): ["number.quarantined"],
    ("holds", "legal_claim", None): ["privacy.hold"],
    ("holds", "legal_claim", LATER): ["privacy.hold", "privacy.hold"],
    ("keys", "key.revoked", None): ["key.revoked"],
    ("links", "key.link_used", None): ["key.link_used"],
}


@pytest.mark.parametrize(("row", "types"), OF_ROWS.items(), ids=str)
def test_a_row_in_its_state_must_have_these_events(row: tuple[str, str, datetime | None], types: list[str]) -> None:
    table, word, ended = row
    found = expected(table, [Stood(ROW, word, THEN, ended)], NOW)

    assert [one.types[0] for one in found] == types
    assert all(one.subject == (None if table in ("keys", "links") else ROW) for one in found)


def test_what_may_be_forgotten_by_now_is_not_asked_for() -> None:
    began = NOW - LOOKED_BACK - timedelta(seconds=1)
    old = expected("messages", [Stood(ROW, "delivered", began, LATER)], NOW)

    assert [one.types for one in old] == [("message.delivered",)]


SEALED = {
    ("message.parked", THEN, True, "message.parked"): None,
    ("message.parked", THEN, True, ""): None,  # erased
    ("message.parked", THEN, False, "message.parked"): None,  # entered, and its mark is still to come
    ("message.parked", NOW, False, None): None,
    ("message.parked", THEN, False, None): Fault.NOT_SEALED,
    ("message.parked", NOW, True, None): Fault.NO_ENTRY,
    ("message.parked", NOW - timedelta(days=400), True, None): None,  # forgotten, while a hold keeps the event
    ("message.parked", NOW - timedelta(days=400), False, None): Fault.NOT_SEALED,
    ("message.parked", THEN, True, "message.accepted"): Fault.OTHER_ENTRY,
}


@pytest.mark.parametrize(("event", "fault"), SEALED.items(), ids=str)
def test_an_event_is_held_against_its_entry(event: tuple[str, datetime, bool, str | None], fault: Fault | None) -> None:
    assert fault_of(Sealed(ROW, *event), NOW) is fault
