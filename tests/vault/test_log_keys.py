"""Keys of the log: what they sign is verified by whoever has their public half, and by nobody else's."""

from __future__ import annotations

import pytest

from relay.core.keys import Purpose
from relay.core.notes import Checkpoint, Note, proven
from relay.vault import keyring
from relay.vault.keyring import Key, Keyring
from relay.vault.log_keys import LogKeys, verify

#: RFC 8032 section 7.1, the first test: secret key, public key, and what signs nothing at all.
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
OF_NOTHING = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
HEAD = Checkpoint("relay.example/log/acc_1", 3, bytes(32))


def log_keys(*secrets: bytes) -> LogKeys:
    made = keyring.make().all()
    return LogKeys(Keyring({**made, Purpose.LOG: [Key(n, secret) for n, secret in enumerate(secrets, 1)]}))


def test_the_public_half_and_a_signature_are_those_of_the_rfc() -> None:
    (key,) = log_keys(SECRET).of(HEAD.origin)

    assert key.key.public == PUBLIC
    assert verify(PUBLIC, b"", OF_NOTHING)
    assert not verify(PUBLIC, b"x", OF_NOTHING)


def test_every_key_signs_and_the_newest_comes_first() -> None:
    keys = log_keys(SECRET, bytes(range(32)))
    note = keys.head(HEAD)

    assert [key.id for key in keys.of(HEAD.origin)] == [2, 1]
    for key in keys.of(HEAD.origin):
        assert [found.key for found in proven(note, [key.key], verify)] == [key.key]
    assert note == Note(HEAD.text(), note.signatures)
    assert [signature.key_id for signature in note.signatures] == [key.key.id for key in keys.of(HEAD.origin)]


def test_one_key_is_another_in_every_log() -> None:
    keys = log_keys(SECRET)

    assert keys.of("a.example/log/acc_1")[0].key.id != keys.of("a.example/log/acc_2")[0].key.id


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), b"\xff" * 32])
def test_a_key_that_is_none_verifies_nothing(public: bytes) -> None:
    assert not verify(public, b"", OF_NOTHING)
