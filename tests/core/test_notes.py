"""Signed notes and checkpoints: to the byte those of published examples, and nothing that was touched is believed."""

from __future__ import annotations

import base64
import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from relay.core.errors import EvidenceRefused
from relay.core.notes import (
    Checkpoint,
    KeyType,
    Note,
    NoteKey,
    cosigned,
    name_is_right,
    parse_checkpoint,
    parse_key,
    parse_note,
    proven,
    signed,
)

#: From the tests of golang.org/x/mod/sumdb/note, where notes of this format come from.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
#: The example in the specification of checkpoints, and its cosigned form in that of cosignatures.
PUBLISHED_CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

LOG, WITNESS = Ed25519PrivateKey.from_private_bytes(b"l" * 32), Ed25519PrivateKey.from_private_bytes(b"w" * 32)
LOG_KEY = NoteKey("relay.example/log/acc_1", LOG.public_key().public_bytes_raw())
WITNESS_KEY = NoteKey("auditor.example", WITNESS.public_key().public_bytes_raw(), KeyType.COSIGNATURE)
HEAD = Checkpoint(LOG_KEY.name, 7, bytes(range(32)))
AT = 1_679_315_147


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def signed_head() -> Note:
    text = HEAD.text()
    return Note(text, (signed(text, LOG_KEY, LOG.sign), cosigned(text, WITNESS_KEY, WITNESS.sign, AT)))


def test_a_published_note_is_believed() -> None:
    key, note = parse_key(PUBLISHED_KEY), parse_note(PUBLISHED_NOTE)

    assert [found.key for found in proven(note, [key], verify)] == [key]
    assert note.written() == PUBLISHED_NOTE
    assert key.written() == PUBLISHED_KEY


def test_a_published_checkpoint_is_read_and_written_alike() -> None:
    head = parse_checkpoint(PUBLISHED_CHECKPOINT)

    assert (head.origin, head.size, head.root[:2].hex()) == ("example.com/behind-the-sofa", 20_852_163, "0ac5")
    assert head.text() == PUBLISHED_CHECKPOINT


def test_a_head_that_is_signed_and_cosigned_is_believed() -> None:
    note = parse_note(signed_head().written())

    assert note == signed_head()
    assert [(found.key, found.at) for found in proven(note, [LOG_KEY, WITNESS_KEY], verify)] == [
        (LOG_KEY, None),
        (WITNESS_KEY, AT),
    ]
    assert parse_checkpoint(note.text) == HEAD


def test_a_cosignature_signs_the_words_of_its_specification() -> None:
    *_, cosignature = signed_head().signatures

    assert cosignature.key_id == WITNESS_KEY.id
    assert cosignature.signature[:8] == AT.to_bytes(8, "big")
    assert verify(WITNESS_KEY.public, f"cosignature/v1\ntime {AT}\n{HEAD.text()}".encode(), cosignature.signature[8:])


def test_signatures_of_others_are_passed_over_and_alone_are_not_enough() -> None:
    assert [found.key for found in proven(signed_head(), [LOG_KEY], verify)] == [LOG_KEY]

    with pytest.raises(EvidenceRefused):
        proven(signed_head(), [NoteKey("somebody.example", LOG_KEY.public)], verify)


def test_one_wrong_signature_of_a_trusted_key_spoils_the_note() -> None:
    first, _ = signed_head().signatures
    broken = Note(HEAD.text(), (first, cosigned(HEAD.text() + "x\n", WITNESS_KEY, WITNESS.sign, AT)))

    with pytest.raises(EvidenceRefused):
        proven(broken, [LOG_KEY, WITNESS_KEY], verify)


def test_no_note_is_believed_that_was_touched() -> None:
    """A thousand bits turned, one at a time: the log's signature covers the text, and no other line can stand in for it."""
    written, chance = signed_head().written().encode(), random.Random(6)
    for place in chance.sample(range(len(written) * 8), 1000):
        touched = bytearray(written)
        touched[place // 8] ^= 1 << place % 8
        try:
            note = parse_note(touched.decode())
            believed = len(proven(note, [LOG_KEY, WITNESS_KEY], verify)) == 2
        except (EvidenceRefused, UnicodeDecodeError):
            continue
        assert not believed


GOOD = signed_head().written()
BAD_NOTES = {
    "nothing": "",
    "no signature": HEAD.text(),
    "no empty line": GOOD.replace("\n\n", "\n"),
    "no last newline": GOOD[:-1],
    "a carriage return": GOOD.replace("\n", "\r\n"),
    "a control character": GOOD.replace("7", "\x007"),
    "a hyphen for the dash": GOOD.replace("—", "-"),
    "no name": GOOD.replace(f"— {LOG_KEY.name}", "— "),
    "a plus in a name": GOOD.replace(f"— {LOG_KEY.name}", "— a+b"),
    "two spaces": GOOD.replace("— ", "—  "),
    "a signature that is too short": HEAD.text() + "\n— a AAAA\n",
    "no base64": HEAD.text() + "\n— a ????????\n",
    "base64 with spare bits": HEAD.text() + "\n— a AAAAAAB=\n",
    "endless": "x" * 200_000 + "\n\n— a AAAAAAA=\n",
    "too many signatures": HEAD.text() + "\n" + "— a AAAAAAA=\n" * 101,
}


@pytest.mark.parametrize("written", BAD_NOTES.values(), ids=BAD_NOTES.keys())
def test_what_is_no_note_is_refused(written: str) -> None:
    with pytest.raises(EvidenceRefused):
        parse_note(written)


ROOT = base64.b64encode(bytes(32)).decode()
BAD_CHECKPOINTS = {
    "no newline": f"a\n1\n{ROOT}",
    "no origin": f"\n1\n{ROOT}\n",
    "zeros in front": f"a\n01\n{ROOT}\n",
    "a sign": f"a\n+1\n{ROOT}\n",
    "another script's digits": f"a\n١\n{ROOT}\n",
    "too large": f"a\n{1 << 63}\n{ROOT}\n",
    "a short root": "a\n1\nAAAA\n",
    "an extension": f"a\n1\n{ROOT}\nmore\n",
    "an empty line behind": f"a\n1\n{ROOT}\n\n",
}


@pytest.mark.parametrize("text", BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS.keys())
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(EvidenceRefused):
        parse_checkpoint(text)


BAD_KEYS = {
    "another id": PUBLISHED_KEY.replace("c74f20a3", "c74f20a4"),
    "another name": PUBLISHED_KEY.replace("Peter", "Pater"),
    "capitals in the id": PUBLISHED_KEY.replace("c74f20a3", "C74F20A3"),
    "another kind": "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "cut": PUBLISHED_KEY[:-4],
    "two parts": "a+b",
    "nothing": "",
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(EvidenceRefused):
        parse_key(text)


@pytest.mark.parametrize(
    ("name", "right"), [("a.example/log", True), ("", False), ("a b", False), ("a+b", False), ("a\u00a0b", False)]
)
def test_a_name_has_neither_space_nor_plus(name: str, right: bool) -> None:
    assert name_is_right(name) is right
