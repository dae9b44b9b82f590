"""The keyring file: read whole or refused with a reason, written once, durable, and silent when printed."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import KeyringRefused, Tampered
from relay.vault.keyring import KEY_BYTES, Key, Keyring, Purpose, load, make, save_new
from relay.vault.vault import open_vault

SECRET = bytes(range(KEY_BYTES))


def keys(*ids: int) -> list[Key]:
    """Keys of these numbers, each with its own bytes."""
    return [Key(key_id, bytes([key_id]) * KEY_BYTES) for key_id in ids]


def document(**changes: Any) -> dict[str, Any]:
    """A good keyring file, with some of its purposes' entries changed."""
    entry = {"id": 1, "key": base64.b64encode(SECRET).decode()}
    return {"relay_keyring": 1, "keys": {str(purpose): [entry] for purpose in Purpose} | changes}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keyring.json"


def write(path: Path, content: bytes | str, mode: int = 0o600) -> Path:
    """Put a file where the keyring should be."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def test_the_same_keys_come_back_when_saved_and_loaded(path: Path) -> None:
    keyring = make()
    save_new(keyring, path)

    assert load(path).answers() == keyring.answers()
    assert {purpose for purpose, _ in keyring.answers()} == {str(purpose) for purpose in Purpose}


def test_every_key_comes_back_when_a_purpose_has_several(path: Path) -> None:
    keyring = Keyring({purpose: keys(2, 9, 4) for purpose in Purpose})
    save_new(keyring, path)
    loaded = load(path)

    assert [key.id for key in loaded.newest_first(Purpose.EPOCH)] == [9, 4, 2]
    assert loaded.newest(Purpose.EPOCH) == keys(9)[0]
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


@pytest.mark.parametrize("content", [b"", b"what somebody keeps here", json.dumps(document()).encode()])
def test_nothing_is_written_over_when_a_file_is_there(path: Path, content: bytes) -> None:
    write(path, content)
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
    write(tmp_path / "a file", "")
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


def test_it_is_said_what_to_do_when_there_is_no_keyring(path: Path) -> None:
    with pytest.raises(KeyringRefused, match=r"No such file.*relay keyring make"):
        load(path)


def test_no_keyring_is_made_when_one_is_missing(path: Path) -> None:
    with pytest.raises(KeyringRefused):
        load(path)

    assert not path.parent.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o602, 0o644, 0o777])
def test_it_is_refused_when_others_may_touch_it(path: Path, mode: int) -> None:
    save_new(make(), path)
    path.chmod(mode)

    with pytest.raises(KeyringRefused, match=f"mode {mode:04o}.*chmod 600"):
        load(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_it_is_read_when_only_its_owner_may(path: Path, mode: int) -> None:
    save_new(make(), path)
    path.chmod(mode)

    assert load(path).newest(Purpose.TOKEN).id == 1


def entry(**changes: Any) -> list[dict[str, Any]]:
    """One key's entry, changed."""
    return [{"id": 1, "key": base64.b64encode(SECRET).decode()} | changes]


STRANGE: dict[str, object] = {
    "a list": [],
    "a number": 1,
    "null": None,
    "nothing in it": {},
    "another format": document() | {"relay_keyring": 2},
    "format as text": document() | {"relay_keyring": "1"},
    "no keys": {"relay_keyring": 1},
    "keys are a list": {"relay_keyring": 1, "keys": []},
    "keys are null": {"relay_keyring": 1, "keys": None},
    "an unknown purpose": document(spying=entry()),
    "entries are a number": document(epoch=7),
    "entries are numbers": document(epoch=[7]),
    "entry without a key": document(epoch=[{"id": 1}]),
    "entry without an id": document(epoch=[{"key": base64.b64encode(SECRET).decode()}]),
    "id is a word": document(epoch=entry(id="one")),
    "id is null": document(epoch=entry(id=None)),
    "id is infinite": document(epoch=entry(id=float("inf"))),
    "id is not a number": document(epoch=entry(id=float("nan"))),
    "id is a fraction": document(epoch=entry(id=1.5)),
    "id is yes": document(epoch=entry(id=True)),
    "id twice": document(epoch=entry() + entry(key=base64.b64encode(SECRET[::-1]).decode())),
    "key is not base64": document(epoch=entry(key="*" * 44)),
    "key is null": document(epoch=entry(key=None)),
    "key is empty": document(epoch=entry(key="")),
    "key is short": document(epoch=entry(key=base64.b64encode(SECRET[:-1]).decode())),
    "key is long": document(epoch=entry(key=base64.b64encode(SECRET + b"!").decode())),
    "a purpose without keys": document(epoch=[]),
    "a purpose is missing": {"relay_keyring": 1, "keys": {"epoch": entry()}},
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE.keys())
def test_it_is_refused_when_it_is_no_keyring_of_ours(path: Path, content: object) -> None:
    write(path, json.dumps(content))
    with pytest.raises(KeyringRefused) as refusal:
        load(path)

    assert base64.b64encode(SECRET).decode()[:8] not in str(refusal.value)
    assert refusal.value.__cause__ is None


GARBAGE = {
    "empty": b"",
    "cut off": json.dumps(document()).encode()[:-1],
    "two of them": json.dumps(document()).encode() * 2,
    "not text": b"\xff\xfe\x00\x80",
    "zeros": bytes(500),
    "a deep hole": b"[" * 200_000,
    "endless": b" " * 1_000_000 + json.dumps(document()).encode(),
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE.keys())
def test_it_is_refused_when_it_is_garbage(path: Path, content: bytes) -> None:
    with pytest.raises(KeyringRefused):
        load(write(path, content))


def test_it_is_refused_when_it_is_a_folder(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)

    with pytest.raises(KeyringRefused):
        load(path)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "key", "x"]), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(Purpose), anything)
def test_nothing_but_a_refusal_is_raised_when_entries_are_anything(
    tmp_path_factory: pytest.TempPathFactory, purpose: Purpose, content: object
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "anything.json", json.dumps(document(**{purpose: content})))

    with pytest.raises(KeyringRefused):
        load(path)


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
        keyring.newest(Purpose.EPOCH),
        vault,
        vault.sealing,
        vault.indexes,
        vault.tokens,
        vault.credentials,
    ]
    printed = " ".join(f"{thing!r} {thing!s}" for thing in everything)

    assert repr(keyring.newest(Purpose.EPOCH)) == "Key(id=1)"
    assert not any(form in printed for form in (repr(SECRET)[2:-1], SECRET.hex(), base64.b64encode(SECRET).decode()))


def test_answers_tell_keyrings_apart_without_telling_keys_when_compared() -> None:
    keyring = Keyring({purpose: [Key(1, SECRET), Key(2, SECRET[::-1])] for purpose in Purpose})
    answers = keyring.answers()

    assert set(answers) == {(str(purpose), key_id) for purpose in Purpose for key_id in (1, 2)}
    assert answers["epoch", 1] != answers["epoch", 2]
    assert not any(SECRET[:8] in answer for answer in answers.values())
