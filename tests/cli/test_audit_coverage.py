"""``relay audit coverage``: one figure, 0 where every change has its entry."""

from __future__ import annotations

from relay.wiring import Relay
from tests.cli.command import Command
from tests.cli.conftest import Shop
from tests.cli.test_audit_export import sealed


def test_nothing_is_without_an_entry_when_everything_is_sealed(relay: Command, shop: Shop) -> None:
    sealed(shop, 3)
    done = relay.inside("audit", "coverage")
    document = relay.inside("audit", "coverage", "--account", "shop", "--json").document

    assert (done.code, done.stdout.splitlines()[-1]) == (0, "state changes without an entry: 0")
    assert document["state_changes_without_an_entry"] == 0
    assert document["looked_at"]["events"] == 4


def test_what_has_no_entry_is_told_and_the_command_fails(relay: Command, shop: Shop) -> None:
    sealed(shop)

    async def lose(house: Relay) -> None:
        async with house.database.transaction() as tx:
            await tx.execute("delete from audit_entry")

    shop.look(lose)
    done = relay.inside("audit", "coverage")

    assert done.code == 1
    assert done.stdout.splitlines()[1:] == [
        "1 events pool.ready are marked as sealed, and have no entry",
        "state changes without an entry: 1",
    ]
