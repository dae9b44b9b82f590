"""Accounts and the keys of their owners: who is unknown, and what an unknown one can do."""

from __future__ import annotations

from uuid import uuid4

import pytest

from relay.core.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from relay.core.model import Scope
from relay.services.keys import Keys
from relay.storage.configuration import Configuration
from tests.services.rig import Rig


async def test_an_account_is_read_as_it_was_changed_last(rig: Rig) -> None:
    await rig.relay.accounts.change(rig.account.id, {"programme": "Rides"})
    changed = await rig.relay.accounts.change(rig.account.id, {"help_contact": "help@example.com"})

    assert (changed.programme, changed.help_contact) == ("Rides", "help@example.com")
    assert await rig.relay.accounts.read(rig.account.id) == changed
    assert await rig.relay.accounts.by_name(rig.account.name) == changed


async def test_an_account_is_not_found_when_nobody_ever_made_it(rig: Rig) -> None:
    accounts, unknown = rig.relay.accounts, uuid4()
    before = await accounts.read(rig.account.id)

    with pytest.raises(NotFound):
        await accounts.read(unknown)
    with pytest.raises(NotFound):
        await accounts.change(unknown, {"programme": "Rides"})
    with pytest.raises(NotFound):
        await accounts.by_name("never made")
    assert await accounts.read(rig.account.id) == before


async def test_an_account_is_made_once_when_its_name_is_used_again(rig: Rig) -> None:
    with pytest.raises(Conflict) as caught:
        await rig.relay.accounts.add(rig.account.name)

    assert caught.value.code == "account_name_taken"
    assert await rig.value("select count(*) from account") == 1


@pytest.mark.parametrize("change", [{"language": "xx"}, {"notices": {"no such notice": "words"}}])
async def test_an_account_keeps_what_it_had_when_a_change_makes_no_sense(rig: Rig, change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        await rig.relay.accounts.change(rig.account.id, {"programme": "Rides", **change})

    assert (await rig.relay.accounts.read(rig.account.id)).programme == rig.account.programme


async def test_a_key_opens_nothing_when_its_account_is_gone(rig: Rig) -> None:
    key = await rig.relay.keys.add(rig.account, name="backend", scopes={Scope.SESSIONS})
    assert (await rig.relay.keys.caller(key)).account.id == rig.account.id
    async with rig.relay.database.transaction() as tx:
        await tx.execute("delete from connection")
        await tx.execute("delete from account")
    elsewhere = Keys(rig.relay.database, Configuration(rig.relay.database))

    with pytest.raises(NotAuthenticated):
        await elsewhere.caller(key)


async def test_keys_work_and_memory_stays_bounded_when_very_many_were_looked_up(rig: Rig) -> None:
    key = await rig.relay.keys.add(rig.account, name="backend", scopes={Scope.SESSIONS})
    recent = rig.relay.keys._recent
    await rig.relay.keys.caller(key)
    ((key_id, remembered),) = recent.items()
    recent.clear()
    recent.update(dict.fromkeys((uuid4() for _ in range(10_000)), remembered))

    assert (await rig.relay.keys.caller(key)).key_id == key_id
    assert list(recent) == [key_id]
