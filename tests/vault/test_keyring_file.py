"""A keyring file that changes: whole or not at all, one writer at a time, and never open to others."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.core.errors import KeyringRefused
from relay.core.keys import KeyName, Purpose
from relay.vault.keyring import Keyring, make
from relay.vault.keyring_file import KeyringFile, complete, load, save_new

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_new(make(), tmp_path / "keyring.json")
    return tmp_path / "keyring.json"


def with_next(ring: Keyring) -> Keyring:
    return ring.with_next({Purpose.EPOCH: LATER}, NOW)


def test_a_new_key_comes_back_with_its_time(path: Path) -> None:
    changed = KeyringFile(path).change(with_next)
    key = load(path).key(Purpose.EPOCH, 2)

    assert key == changed.key(Purpose.EPOCH, 2)
    assert key.use_from == LATER
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_is_taken_away_is_gone_and_the_others_stay(path: Path) -> None:
    KeyringFile(path).change(with_next)
    before = load(path).answers()
    KeyringFile(path).change(lambda ring: ring.without({KeyName(Purpose.EPOCH, 1)}))

    assert load(path).answers() == {n: a for n, a in before.items() if n != KeyName(Purpose.EPOCH, 1)}


def test_nothing_changes_when_a_change_is_refused_or_breaks_off(path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises(KeyringRefused, match="no key for: epoch"):
        KeyringFile(path).change(lambda ring: ring.without({KeyName(Purpose.EPOCH, 1)}))
    with pytest.raises(ZeroDivisionError):
        KeyringFile(path).change(lambda _: 1 // 0)  # type: ignore[arg-type,return-value]  # as if killed in the middle

    assert path.read_bytes() == before


def test_a_change_is_made_when_another_was_killed_while_writing(path: Path) -> None:
    path.with_name("keyring.json.new").write_text("half of a keyr")

    assert KeyringFile(path).change(with_next).answers() == load(path).answers()
    assert not path.with_name("keyring.json.new").exists()


def test_no_change_is_lost_when_many_are_made_at_once(path: Path) -> None:
    def add(n: int) -> None:
        use_from = NOW + n * timedelta(hours=2)
        KeyringFile(path).change(lambda ring: ring.with_next({Purpose.TRANSIT: use_from}, NOW + timedelta(days=9)))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(24)))

    assert [key.id for key in load(path).all()[Purpose.TRANSIT]] == list(range(1, 26))


def test_a_keyring_is_read_again_when_it_has_changed_and_not_otherwise(path: Path) -> None:
    file = KeyringFile(path)
    first, second = file.read(), file.read()
    KeyringFile(path).change(with_next)
    third = file.read()

    assert first is not None
    assert second is None
    assert third is not None
    assert KeyName(Purpose.EPOCH, 2) in third.answers()


def test_a_keyring_that_cannot_be_read_is_refused_each_time(path: Path) -> None:
    file = KeyringFile(path)
    path.chmod(0o644)

    for _ in range(2):
        with pytest.raises(KeyringRefused, match="chmod 600"):
            file.read()


def test_a_key_seals_when_it_is_told_to_and_stays_when_others_come(path: Path) -> None:
    ring = load(path)
    ring.take(with_next(ring).all())
    before = ring.current(Purpose.EPOCH).id
    ring.seal_with({Purpose.EPOCH: 2, Purpose.TRANSIT: 7})
    ring.take(ring.with_next({Purpose.EPOCH: LATER}, LATER).all())

    assert before == 1
    assert ring.current(Purpose.EPOCH).id == 2
    assert ring.current(Purpose.TRANSIT).id == 1


def of_an_earlier_version(path: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(path.read_text())
    keys = document["keys"]
    assert isinstance(keys, dict)
    del keys["redaction"]
    path.write_text(json.dumps({"relay_keyring": 2, "keys": keys}))
    return keys


def test_the_keyring_of_an_earlier_version_gets_the_keys_that_it_lacks(path: Path) -> None:
    before = of_an_earlier_version(path)
    with pytest.raises(KeyringRefused, match="no key for: redaction"):
        load(path)
    complete(path)
    completed = load(path)
    complete(path)

    assert load(path).answers() == completed.answers()
    assert [key.id for key in completed.all()[Purpose.REDACTION]] == [1]
    assert {name.purpose for name in completed.answers()} == {*before, "redaction"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_a_keyring_of_this_version_has_lost_is_not_made_anew(path: Path) -> None:
    document = json.loads(path.read_text())
    del document["keys"]["redaction"]
    path.write_text(json.dumps(document))
    complete(path)

    with pytest.raises(KeyringRefused, match="no key for: redaction"):
        load(path)


def test_a_keyring_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    complete(tmp_path / "keyring.json")

    assert not (tmp_path / "keyring.json").exists()
