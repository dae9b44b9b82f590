"""Keyring files that are no keyring, or that others can read: refused with a reason, and nothing else is ever raised."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import KeyringRefused
from relay.core.keys import Purpose
from relay.vault.keyring import KEY_BYTES, make
from relay.vault.keyring_file import load, save_new

SECRET = bytes(range(KEY_BYTES))


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

    assert load(path).current(Purpose.TOKEN).id == 1


def entry(**changes: Any) -> list[dict[str, Any]]:
    """One key's entry, changed."""
    return [{"id": 1, "key": base64.b64encode(SECRET).decode()} | changes]


STRANGE: dict[str, object] = {
    "a list": [],
    "a number": 1,
    "null": None,
    "nothing in it": {},
    "another format": document() | {"relay_keyring": 4},
    "no time": document(epoch=[document()["keys"]["epoch"][0] | {"use_from": "next week"}]),
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
