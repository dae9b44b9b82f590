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


ALICE = "+12025550177"


def test_everything_about_a_person_is_printed_when_their_phone_is_read_from_stdin(relay: Command, shop: Shop) -> None:
    shown = relay("privacy", "show", "--account", "shop", stdin=f"{ALICE}\n")
    on_terminal = relay.on_terminal("privacy", "show", "--account", "shop", typed=[ALICE])

    assert (shown.code, shown.stderr, shown.document["sessions"]) == (0, "", [])
    assert on_terminal.code == 0
    assert '"sessions": []' in on_terminal.stdout


def test_a_person_is_erased_and_it_is_said_what_stays(relay: Command, shop: Shop) -> None:
    done = relay.inside("privacy", "erase", "--account", "shop", "--reason", "own_initiative", stdin=ALICE)

    async def noted(house: Relay) -> list[tuple[str, str]]:
        async with house.database.transaction() as tx:
            rows = await tx.fetch("select type, reason from event where type like 'privacy.%'")
        return [(row["type"], row["reason"]) for row in rows]

    assert (done.code, done.stderr, done.document["id"][:4]) == (0, "", "req_")
    assert "suppression" in {one["what"] for one in done.document["stays"]}
    assert shop.look(noted) == [("privacy.erasure", "own_initiative")]


def test_a_phone_is_no_argument_and_is_not_repeated_when_it_is_none(relay: Command, shop: Shop) -> None:
    as_argument = relay.inside("privacy", "show", "--account", "shop", ALICE)
    refused = relay.inside("privacy", "show", "--account", "shop", stdin="0815 4711\n")

    assert as_argument.code == 2
    assert "0815" not in refused.refusal
