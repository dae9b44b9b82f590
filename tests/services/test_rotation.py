"""Keys come, seal and go while processes come and go; several of them are several ``Rotation``s over one database here."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from relay.core.errors import KeyMissing, KeyringRefused
from relay.core.keys import SEALS_FOR, KeyName, Purpose
from relay.services.rotation import Rotation
from relay.storage import sealed
from relay.storage.database import Database
from relay.vault import keyring, keyring_file
from relay.vault.keyring import Keyring
from relay.vault.keyring_file import KeyringFile
from relay.vault.sealing import Sealed
from relay.vault.vault import open_vault
from relay.wiring import open_keyring
from tests.services.rig import Rig, Talk, make_rig, start_talk

pytestmark = pytest.mark.long

EPOCH_1, EPOCH_2 = KeyName(Purpose.EPOCH, 1), KeyName(Purpose.EPOCH, 2)
REDACTION_1, REDACTION_2 = KeyName(Purpose.REDACTION, 1), KeyName(Purpose.REDACTION, 2)
TRANSIT_1, TRANSIT_2 = KeyName(Purpose.TRANSIT, 1), KeyName(Purpose.TRANSIT, 2)


@pytest.fixture
async def path(db: Database, tmp_path: Path) -> Path:
    """The keyring of an installation that has been started once."""
    found = tmp_path / "one" / "keyring.json"
    keyring_file.save_new(keyring.make(), found)
    await open_keyring(db, found, may_make=False)
    return found


@pytest.fixture
async def rig(db: Database, path: Path) -> Rig:
    return await make_rig(db, keyring=path)


def another(rig: Rig, path: Path) -> Rotation:
    """One more process, with this keyring file."""
    relay = rig.relay
    return Rotation(relay.database, relay.configuration, open_vault(keyring_file.load(path)), KeyringFile(path))


def copied(path: Path, to: str) -> Path:
    """The same keyring on another machine."""
    there = path.parent.parent / to / path.name
    there.parent.mkdir(exist_ok=True, mode=0o700)
    shutil.copy2(path, there)
    return there


def seals(rotation: Rotation, purpose: Purpose = Purpose.TRANSIT) -> int:
    return rotation.vault.keyring.current(purpose).id


async def test_a_key_seals_when_its_hour_is_over_and_not_before(rig: Rig) -> None:
    rotation = rig.relay.rotation
    new = await rotation.rotate()
    await rotation.learn()
    at_once = seals(rotation)
    rig.later(minutes=59)
    await rotation.learn()
    just_before = seals(rotation)
    rig.later(minutes=1)
    await rotation.learn()

    assert new == [EPOCH_2, REDACTION_2, TRANSIT_2]
    assert (at_once, just_before, seals(rotation)) == (1, 1, 2)
    assert await rotation.rotate() == []


async def test_no_key_seals_when_a_process_lacks_it(rig: Rig, path: Path) -> None:
    there = copied(path, "other")
    here, other = rig.relay.rotation, another(rig, there)
    await other.learn()
    await here.rotate()
    rig.later(hours=1)
    await other.learn()
    await here.learn()
    without = seals(here), other.lacks
    shutil.copy2(path, there)
    await other.learn()
    await here.learn()

    assert without == (1, frozenset({EPOCH_2, REDACTION_2, TRANSIT_2}))
    assert (seals(here), seals(other), other.lacks) == (2, 2, frozenset())


async def test_a_process_that_is_gone_is_not_waited_for(rig: Rig, path: Path) -> None:
    here, killed, left = rig.relay.rotation, another(rig, copied(path, "two")), another(rig, copied(path, "three"))
    await killed.learn()
    await here.rotate()
    rig.later(hours=1)
    await killed.learn()
    await left.learn()
    await left.leave()
    rig.later(seconds=29)
    await here.learn()
    meanwhile = seals(here)
    rig.later(seconds=2)
    await here.learn()

    assert (meanwhile, seals(here)) == (1, 2)


async def test_a_process_does_not_start_when_it_lacks_a_key_that_seals(rig: Rig, path: Path) -> None:
    old = another(rig, copied(path, "old"))
    await rig.relay.rotation.rotate()
    await old.look()
    rig.later(hours=1)

    with pytest.raises(KeyringRefused, match="lacks epoch key 2, redaction key 2, transit key 2"):
        await old.look()


async def test_one_key_is_made_when_processes_share_a_keyring_and_all_find_it_due(rig: Rig, path: Path) -> None:
    processes = [another(rig, path) for _ in range(8)]
    made = await asyncio.gather(*(process.rotate() for process in processes))

    keys = keyring_file.load(path).all()
    assert [len(keys[purpose]) for purpose in (Purpose.EPOCH, Purpose.TRANSIT, Purpose.INDEX)] == [2, 2, 1]
    assert {name for names in made for name in names} == {EPOCH_2, REDACTION_2, TRANSIT_2}


async def test_the_first_wins_when_two_machines_make_the_same_key(rig: Rig, path: Path) -> None:
    there = copied(path, "other")
    other = another(rig, there)
    await rig.relay.rotation.rotate()

    with pytest.raises(KeyringRefused, match="another keyring has published epoch key 2, transit key 2 first"):
        await _as_if_due(other)
    rig.later(hours=1)
    await other.learn()

    assert other.lacks == {EPOCH_2, REDACTION_2, TRANSIT_2}
    assert seals(other) == 1


async def _as_if_due(rotation: Rotation) -> None:
    """A rotation that asked what is due before another machine's keys were published."""
    now = await rotation.database.now()
    wanted = dict.fromkeys((Purpose.EPOCH, Purpose.TRANSIT), now + timedelta(hours=1))
    await rotation._publish(rotation.store.change(lambda ring: ring.with_next(wanted, now)))


async def turned(rig: Rig) -> None:
    """New epoch and transit keys seal, and have for long enough."""
    await rig.relay.rotation.rotate([Purpose.EPOCH, Purpose.TRANSIT])
    rig.later(hours=1)
    await rig.relay.rotation.learn()
    await rig.relay.rotation.learn()
    rig.later(minutes=10)


async def test_texts_and_sessions_go_on_when_keys_change(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=30 * 86400)
    await talk.say("sealed under the first")
    await turned(rig)
    await talk.say("and under the second", slot=2)
    await rig.send_all(talk.bucket)
    gone, spared = await rig.relay.rotation.prune()
    await talk.say("after the first is gone")
    await rig.send_all(talk.bucket)

    assert (gone, spared) == ([EPOCH_1, TRANSIT_1], [])
    assert [text.text for text in rig.carrier.sent] == [
        "sealed under the first",
        "and under the second",
        "after the first is gone",
    ]


async def test_a_backup_is_unreadable_when_its_key_is_gone(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=30 * 86400)
    [backup, _] = await _phones(talk, EPOCH_1)
    before = _opened(rig, backup)
    await turned(rig)
    await rig.relay.rotation.prune()

    assert before in {talk.one, talk.other}
    assert len(await _phones(talk, EPOCH_2)) == 2
    with pytest.raises(KeyMissing):
        _opened(rig, backup)
    assert EPOCH_1 not in keyring_file.load(rig.relay.settings.keyring_path).answers()


async def _phones(talk: Talk, name: KeyName) -> list[sealed.SealedPhone]:
    async with talk.rig.relay.database.transaction() as tx:
        return sorted(
            await sealed.lock_phones(tx, talk.bucket, name.id, sessions=10) or [],
            key=lambda phone: phone.participant_id,
        )


def _opened(rig: Rig, phone: sealed.SealedPhone) -> str:
    envelopes = rig.relay.vault.envelopes
    return envelopes.open_phone(phone.account_id, phone.participant_id, Sealed(phone.data, phone.key_id))


async def test_a_key_is_spared_when_a_text_that_waits_needs_it(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=30 * 86400)
    await talk.say("still here")
    await turned(rig)
    first = await rig.relay.rotation.prune()
    await rig.send_all(talk.bucket)
    second = await rig.relay.rotation.prune()

    assert first[0] == [EPOCH_1]
    assert [(spared.name, spared.values) for spared in first[1]] == [(TRANSIT_1, 1)]
    assert second == ([TRANSIT_1], [])


async def test_a_key_is_spared_when_one_of_the_phones_that_it_sealed_does_not_open(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=30 * 86400)
    await rig.rows(
        "update participant p set sealed_phone = x.sealed_phone from participant x where x.slot = 1 and p.slot = 2"
        " returning 1 as x"
    )
    await turned(rig)
    gone, spared = await rig.relay.rotation.prune()

    assert EPOCH_1 not in gone
    assert [(one.name, one.values) for one in spared] == [(EPOCH_1, 1)]
    assert _opened(rig, (await _phones(talk, EPOCH_2))[0]) == talk.one


async def test_a_key_is_spared_when_a_carrier_has_not_deleted_what_it_names(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.relay.rotation.rotate([Purpose.REDACTION])
    rig.later(hours=1)
    await rig.relay.rotation.learn()
    await rig.relay.rotation.learn()
    rig.later(minutes=10)
    first = await rig.relay.rotation.prune()
    await rig.relay.redaction.redact(talk.bucket)
    second = await rig.relay.rotation.prune()

    assert [(spared.name, spared.values) for spared in first[1]] == [(REDACTION_1, 1)]
    assert second == ([REDACTION_1], [])


async def test_a_key_is_spared_when_a_process_still_seals_with_it(rig: Rig, path: Path) -> None:
    slow = another(rig, path)
    await rig.relay.rotation.rotate()
    await slow.learn()
    rig.later(hours=1)
    await rig.relay.rotation.learn()
    rig.later(minutes=10)
    await _reports_again_without_having_looked(slow)
    first = await rig.relay.rotation.prune()
    await slow.learn()
    await slow.learn()
    await rig.relay.rotation.learn()
    second = await rig.relay.rotation.prune()

    assert [(spared.name, spared.sealers) for spared in first[1]] == [
        (EPOCH_1, 1),
        (REDACTION_1, 1),
        (TRANSIT_1, 1),
    ]
    assert second[0] == [EPOCH_1, REDACTION_1, TRANSIT_1]


async def _reports_again_without_having_looked(rotation: Rotation) -> None:
    await rotation.database.run(rotation._report)


async def test_pruning_is_finished_when_it_was_killed_after_its_word_was_given(rig: Rig, path: Path) -> None:
    await start_talk(rig, expires_in=30 * 86400)
    await turned(rig)
    store = rig.relay.rotation.store
    rig.relay.rotation.store = _Failing()
    with pytest.raises(KeyringRefused):
        await rig.relay.rotation.prune()
    rig.relay.rotation.store = store
    between = keyring_file.load(path).answers().keys()
    gone, spared = await rig.relay.rotation.prune()

    assert {EPOCH_1, TRANSIT_1} <= between
    assert (gone, spared) == ([], [])
    assert not {EPOCH_1, TRANSIT_1} & keyring_file.load(path).answers().keys()


class _Failing:
    """A key store whose machine is gone."""

    def read(self) -> Keyring | None:
        return None

    def change(self, change: Callable[[Keyring], Keyring]) -> Keyring:
        raise KeyringRefused("gone")


async def test_phones_are_clear_or_sealed_anew_when_sessions_close_while_they_are(rig: Rig) -> None:
    pool = (await start_talk(rig)).pool
    talks = [
        await start_talk(rig, pool=pool, one=f"+120255501{n}", other=f"+120255501{n + 1}", expires_in=9 * 86400)
        for n in range(50, 74, 2)
    ]
    await turned(rig)
    closing = [rig.relay.sessions.close(rig.account, talk.id) for talk in talks[::2]]
    await asyncio.gather(rig.relay.rotation.prune(), *closing)

    live = await rig.rows("select epoch_id from participant where status = 'live'")
    assert {row["epoch_id"] for row in live} == {2}
    assert len(live) == len(talks) + 2
    assert await rig.value("select count(*) from participant where sealed_phone is not null") == len(live)


async def test_every_account_is_told_once_when_keys_come_and_go(rig: Rig) -> None:
    await rig.relay.accounts.add("another market")
    await turned(rig)
    await rig.relay.rotation.tell()
    await rig.relay.rotation.prune()
    await rig.relay.rotation.tell()
    await rig.relay.rotation.tell()

    told = await rig.rows("select type, count(*), count(distinct account_id) as accounts from event group by type")
    assert {(row["type"], row["count"], row["accounts"]) for row in told if str(row["type"]).startswith("keyring")} == {
        ("keyring.rotated", 4, 2),
        ("keyring.destroyed", 4, 2),
    }


def _spoil(path: Path, wrong: str, old: Path) -> None:
    if wrong == "truncated":
        path.write_bytes(path.read_bytes()[:-30])
    elif wrong == "open to others":
        path.chmod(0o644)
    else:
        path.unlink()
    if wrong == "of another installation":
        keyring_file.save_new(keyring.make(), path)
    elif wrong == "older":
        shutil.copy2(old, path)


@pytest.mark.parametrize("wrong", ["truncated", "open to others", "gone", "of another installation", "older"])
async def test_a_process_goes_on_with_its_keys_when_its_keyring_turns_bad(rig: Rig, path: Path, wrong: str) -> None:
    old = copied(path, "old")
    await turned(rig)
    _spoil(path, wrong, old)
    before = rig.relay.vault.keyring.answers()
    await rig.relay.rotation.learn()

    assert rig.relay.vault.keyring.answers() == before
    assert seals(rig.relay.rotation) == 2
    assert rig.relay.rotation.lacks == frozenset()


async def test_the_status_names_every_key_and_what_it_does(rig: Rig) -> None:
    await turned(rig)
    await rig.relay.rotation.prune()
    await rig.relay.rotation.rotate([Purpose.TRANSIT])
    states = {(s.name, s.state) for s in await rig.relay.rotation.status()}

    assert {(TRANSIT_1, "destroyed"), (TRANSIT_2, "seals"), (KeyName(Purpose.TRANSIT, 3), "waiting")} <= states


async def test_a_new_key_signs_heads_beside_the_old_one_which_no_pruning_takes(rig: Rig) -> None:
    """Whoever trusts the old key learns the new one from heads that both have signed."""
    rotation, log_keys = rig.relay.rotation, rig.relay.vault.log_keys

    def signing() -> list[int]:
        return [key.id for key in log_keys.of("relay.example/log/acc_1")]

    new = await rotation.rotate([Purpose.LOG])
    await rotation.learn()
    at_once = signing()
    rig.later(hours=1)
    await rotation.learn()
    in_an_hour = signing()
    rig.later(days=400)
    await rotation.prune()

    assert new == [KeyName(Purpose.LOG, 2)]
    assert (at_once, in_an_hour, signing()) == ([1], [2, 1], [2, 1])


@pytest.mark.parametrize("jump", [timedelta(days=-40), timedelta(days=400)], ids=["back", "forward"])
async def test_texts_go_on_and_no_key_is_lost_that_something_needs_when_the_clock_jumps(
    rig: Rig, jump: timedelta
) -> None:
    talk = await start_talk(rig, expires_in=30 * 86400)
    await talk.say("before")
    await turned(rig)
    rig.relay.database.clock_offset += jump
    for _ in range(2):
        await rig.relay.rotation.rotate()
        await rig.relay.rotation.learn()
        await rig.relay.rotation.prune()
        rig.later(minutes=61)
    rig.relay.database.clock_offset -= jump
    await rig.relay.rotation.learn()
    await talk.say("after", slot=2)
    await rig.send_all(talk.bucket)

    assert sorted(text.text for text in rig.carrier.sent) == ["after", "before"]
    states = {key.name: key.state for key in await rig.relay.rotation.status()}
    for purpose in SEALS_FOR:
        assert [state for name, state in states.items() if name.purpose is purpose].count("seals") == 1
