"""The keyring file: read whole or refused with a reason, written once, durable, and silent when printed."""

from __future__ import annotations

import base64
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from relay.core.errors import KeyringRefused, Tampered
from relay.core.keys import KeyName, Purpose
from relay.vault.keyring import KEY_BYTES, Key, Keyring, make
from relay.vault.keyring_file import load, load_or_make, save_new
from relay.vault.vault import open_vault

SECRET = bytes(range(KEY_BYTES))


def keys(*ids: int) -> list[Key]:
    """Keys of these numbers, each with its own bytes."""
    return [Key(key_id, bytes([key_id]) * KEY_BYTES) for key_id in ids]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keyring.json"


def test_the_same_keys_come_back_when_saved_and_loaded(path: Path) -> None:
    keyring = make()
    save_new(keyring, path)

    assert load(path).answers() == keyring.answers()
    assert {name.purpose for name in keyring.answers()} == set(Purpose)


def test_every_key_comes_back_when_a_purpose_has_several(path: Path) -> None:
    keyring = Keyring({purpose: keys(2, 9, 4) for purpose in Purpose})
    save_new(keyring, path)
    loaded = load(path)

    assert [key.id for key in loaded.newest_first(Purpose.EPOCH)] == [9, 4, 2]
    assert loaded.current(Purpose.EPOCH) == keys(9)[0]
    assert loaded.key(Purpose.EPOCH, 4) == keys(4)[0]


def test_two_keyrings_share_no_key_when_made() -> None:
    one, other = make(), make()

    assert not set(one.answers().values()) & set(other.answers().values())


def test_no_key_serves_two_purposes_when_made() -> None:
    answers = make().answers()

    assert len(set(answers.values())) == len(answers) == len(Purpose)


def test_nobody_else_can_read_it_when_saved(path: Path) -> None:
    before = os.umask(0)
    try:
        save_new(make(), path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"what somebody keeps here"])
def test_nothing_is_written_over_when_a_file_is_there(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(KeyringRefused, match="never written over"):
        save_new(make(), path)

    assert path.read_bytes() == content


def test_no_link_is_followed_when_saving(path: Path, tmp_path: Path) -> None:
    """A dangling link looks like nothing, and would put the keys where somebody else chose."""
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyringRefused):
        save_new(make(), path)

    assert not (tmp_path / "elsewhere").exists()


def test_saving_is_refused_when_the_folder_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(KeyringRefused):
        save_new(make(), tmp_path / "a file" / "keyring.json")
    with pytest.raises(KeyringRefused):
        save_new(make(), tmp_path / "a file" / "deeper" / "keyring.json")


@contextmanager
def watching(function: Callable[..., object], look: Callable[[], None]) -> Iterator[None]:
    """Look around just before each call of a builtin, which itself stays as it is."""

    def on_event(_: FrameType, event: str, called: object) -> None:
        if event == "c_call" and called is function:
            look()

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield
    finally:
        sys.setprofile(before)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc for what is open")
def test_file_and_folder_are_durable_when_saved(path: Path) -> None:
    """The whole file is in the kernel's hands at its fsync, and the folder that names it is synced after it."""
    synced: list[tuple[set[str], str]] = []

    def look() -> None:
        links = [Path(f"/proc/self/fd/{handle}") for handle in os.listdir("/proc/self/fd")]  # noqa: PTH208 - names alone
        opened = {link.readlink().name for link in links if link.is_symlink()}
        synced.append((opened & {path.name, path.parent.name}, path.read_text()))

    with watching(os.fsync, look):
        save_new(make(), path)

    assert synced == [({path.name}, path.read_text()), ({path.parent.name}, path.read_text())]


def test_a_keyring_is_made_once_when_an_installation_begins(path: Path) -> None:
    made = load_or_make(path)

    assert load_or_make(path).answers() == load(path).answers() == made.answers()


@pytest.mark.parametrize("content", [b"", b"{}"])
def test_no_keyring_is_made_when_one_was_broken(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyringRefused):
        load_or_make(path)

    assert path.read_bytes() == content


def test_the_missing_purposes_are_named_when_a_keyring_lacks_them() -> None:
    some: dict[Purpose, list[Key]] = {
        purpose: keys(1) for purpose in Purpose if purpose not in (Purpose.INDEX, Purpose.TOKEN)
    }

    with pytest.raises(KeyringRefused, match=r"no key for: index, token$"):
        Keyring(some)


@pytest.mark.parametrize("key_id", [0, 2, -1, 10**12])
def test_what_was_sealed_is_lost_when_its_key_is(key_id: int) -> None:
    with pytest.raises(Tampered):
        Keyring({purpose: keys(1, 3) for purpose in Purpose}).key(Purpose.EPOCH, key_id)


def test_the_bytes_stay_hidden_when_anything_is_printed(path: Path) -> None:
    keyring = Keyring({purpose: [Key(1, SECRET)] for purpose in Purpose})
    vault = open_vault(keyring)
    everything = [
        keyring,
        keyring.current(Purpose.EPOCH),
        vault,
        vault.sealing,
        vault.indexes,
        vault.tokens,
        vault.credentials,
    ]
    printed = " ".join(f"{thing!r} {thing!s}" for thing in everything)

    assert repr(keyring.current(Purpose.EPOCH)) == "Key(id=1, use_from=None)"
    assert not any(form in printed for form in (repr(SECRET)[2:-1], SECRET.hex(), base64.b64encode(SECRET).decode()))


def test_answers_tell_keyrings_apart_without_telling_keys_when_compared() -> None:
    keyring = Keyring({purpose: [Key(1, SECRET), Key(2, SECRET[::-1])] for purpose in Purpose})
    answers = keyring.answers()

    assert set(answers) == {KeyName(purpose, key_id) for purpose in Purpose for key_id in (1, 2)}
    assert answers[KeyName(Purpose.EPOCH, 1)] != answers[KeyName(Purpose.EPOCH, 2)]
    assert not any(SECRET[:8] in answer for answer in answers.values())
