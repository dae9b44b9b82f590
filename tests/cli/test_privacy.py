"""``relay privacy``."""

from __future__ import annotations

from relay.wiring import Relay
from tests.cli.command import Command
from tests.cli.conftest import Shop


def test_the_report_is_a_table_or_a_document_when_nothing_is_overdue(relay: Command, shop: Shop) -> None:
    shown = relay("privacy", "retention")
    document = relay.inside("privacy", "retention", "--json").document
    rows = {row["class"]: row for row in document["data"]}

    assert (shown.code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[0].split() == ["class", "held", "oldest", "at", "overdue", "kept", "until"]
    assert len(shown.stdout.splitlines()) == 1 + len(rows)
    assert (document["overdue"], rows["credentials"]["held"], rows["configuration"]["held"]) == (0, 1, 2)


def test_the_command_fails_when_something_is_overdue(relay: Command, shop: Shop) -> None:
    async def leave_an_old_event(house: Relay) -> None:
        async with house.database.transaction() as tx:
            await tx.execute("update event set at = at - interval '31 days'")

    shop.look(leave_an_old_event)
    done = relay.inside("privacy", "retention", "--json")

    assert done.code == 1
    assert done.document["overdue"] == 1
    assert "should have been forgotten" in done.stderr
