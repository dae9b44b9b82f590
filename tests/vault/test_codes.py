"""Codes: six digits that only the keyring recognises, whatever else of the database somebody has."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from relay.core.errors import KeyMissing, Tampered
from relay.core.keys import Purpose
from relay.core.model import VerificationPurpose
from relay.core.verification import Claim
from relay.vault.codes import CodeDigest, Codes
from relay.vault.keyring import KEY_BYTES, Key, Keyring, make
from relay.vault.tokens import AttemptToken, Tokens

ID = UUID(int=7)
CLAIM = Claim(UUID(int=1), b"p" * 16, VerificationPurpose.SESSION)
OTHERS = {
    "account": replace(CLAIM, account_id=UUID(int=2)),
    "person": replace(CLAIM, party_index=b"q" * 16),
    "purpose": replace(CLAIM, purpose=VerificationPurpose.PRIVACY),
}


def keyring(*ids: int) -> Keyring:
    """A keyring with these key numbers for every purpose."""
    return Keyring({purpose: [Key(n, bytes([n]) * KEY_BYTES) for n in ids] for purpose in Purpose})


def test_a_code_is_six_digits_and_any_of_them_when_it_is_made() -> None:
    made = [Codes(keyring(1)).new() for _ in range(20_000)]

    assert all(re.fullmatch(r"[0-9]{6}", code) for code in made)
    assert len(set(made)) > 19_000
    for place in range(6):  # each digit 2,000 times, give or take six standard deviations
        assert all(1_745 < n < 2_255 for n in Counter(code[place] for code in made).values())


def test_only_the_code_that_was_stored_is_right() -> None:
    codes = Codes(keyring(1))
    stored = codes.digest(ID, CLAIM, "012345")

    assert codes.is_right(ID, CLAIM, "012345", stored)
    assert not codes.is_right(ID, CLAIM, "012346", stored)
    assert not codes.is_right(ID, CLAIM, "12345", stored)
    assert not codes.is_right(ID, CLAIM, "", stored)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_digest_is_worth_nothing_when_it_is_another_rows(other: Claim) -> None:
    codes = Codes(keyring(1))
    stored = codes.digest(ID, CLAIM, "012345")

    assert not codes.is_right(ID, other, "012345", stored)
    assert not codes.is_right(UUID(int=8), CLAIM, "012345", stored)


def test_a_code_is_recognised_when_the_key_was_rotated_since() -> None:
    stored = Codes(keyring(1)).digest(ID, CLAIM, "012345")
    later = Codes(keyring(1, 2))

    assert later.is_right(ID, CLAIM, "012345", stored)
    assert later.digest(ID, CLAIM, "012345").key_id == 2
    assert later.digest(ID, CLAIM, "012345").data != stored.data
    with pytest.raises(KeyMissing):
        Codes(keyring(2)).is_right(ID, CLAIM, "012345", stored)


PLACE = b"|".join((ID.bytes, CLAIM.party_index, CLAIM.purpose.encode(), b""))


def found(stored: bytes) -> list[str]:
    """The codes that somebody finds who has the row and tries them all."""
    tried = (f"{n:06d}" for n in range(10**6))
    return [code for code in tried if hashlib.sha256(PLACE + code.encode()).digest() == stored]


@pytest.mark.long
def test_all_codes_are_tried_in_vain_when_the_pepper_is_not_known() -> None:
    """Beside it what a plain hash of the same row gives away in a second, and what the keyed one does with another key."""
    codes, thief = Codes(make()), Codes(make())
    stored = codes.digest(ID, CLAIM, "271828")
    plain = hashlib.sha256(PLACE + b"271828").digest()

    assert found(plain) == ["271828"]
    assert found(stored.data) == []
    assert [n for n in range(10**6) if thief.is_right(ID, CLAIM, f"{n:06d}", CodeDigest(stored.data, 1))] == []
    assert codes.is_right(ID, CLAIM, "271828", stored)


def test_nothing_of_a_digest_is_shown_when_it_is_printed() -> None:
    stored = Codes(keyring(1)).digest(ID, CLAIM, "012345")

    assert repr(stored) == "CodeDigest(key_id=1)"


def test_a_proof_names_its_verification_when_it_comes_back_for_the_same_claim() -> None:
    text = Tokens(keyring(1)).write_proof(ID, CLAIM)

    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", text)
    assert Tokens(keyring(1, 2)).read_proof(text, CLAIM) == ID


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_proof_is_refused_when_it_is_for_another_claim(other: Claim) -> None:
    tokens = Tokens(keyring(1))

    with pytest.raises(Tampered, match="not a token"):
        tokens.read_proof(tokens.write_proof(ID, CLAIM), other)


def test_a_proof_is_refused_when_anything_about_it_is_another() -> None:
    tokens = Tokens(keyring(1))
    text = tokens.write_proof(ID, CLAIM)
    spare = text[:-1] + chr(
        ord(text[-1]) + 1
    )  # other spare bits in the last letter: another spelling of the same bytes
    wrong = [text[:n] + ("A" if text[n] != "A" else "B") + text[n + 1 :] for n in range(len(text))]
    wrong += ["", text[:-1], text + "A", text + "=", text + "\n", spare, Tokens(keyring(2)).write_proof(ID, CLAIM)]
    wrong += [tokens.write(AttemptToken(ID, ID)), "\ud800" * 43]

    for forged in wrong:
        with pytest.raises(Tampered):
            tokens.read_proof(forged, CLAIM)
    with pytest.raises(Tampered):
        tokens.read(text)
