"""Sealing: a value opens in its place under its key, and nowhere else, whatever is changed."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import Tampered
from relay.core.keys import Purpose
from relay.vault.keyring import KEY_BYTES, Key, Keyring, make
from relay.vault.sealing import Place, Sealed, Sealing

KEYRING = make()
SEALING = Sealing(KEYRING)
PLACE = Place(UUID(int=1), 7, UUID(int=2), "participant.phone")
PHONE = "+12025550123"

unhurried = settings(deadline=None)  # the machine is shared; a slow example proves nothing
purposes = st.sampled_from(Purpose)
places = st.builds(
    Place, st.uuids(), st.integers(0, 1023), st.uuids(), st.sampled_from(["outbox.phone", "outbox.text"])
)
texts = st.text(st.characters(exclude_categories=["Cs"]))


def assert_tampered(sealed: Sealed, place: Place = PLACE, purpose: Purpose = Purpose.EPOCH) -> None:
    """It does not open, and the refusal says nothing about what is in it."""
    with pytest.raises(Tampered) as refusal:
        SEALING.open(purpose, place, sealed)

    assert PHONE not in str(refusal.value)
    assert refusal.value.__cause__ is None


@unhurried
@given(purposes, places, texts)
def test_the_text_comes_back_when_opened_in_its_place(purpose: Purpose, place: Place, text: str) -> None:
    sealed = SEALING.seal(purpose, place, text)

    assert SEALING.open(purpose, place, sealed) == text


def test_it_opens_later_when_another_process_has_the_keyring() -> None:
    sealed = SEALING.seal(Purpose.EPOCH, PLACE, PHONE)

    assert Sealing(KEYRING).open(Purpose.EPOCH, PLACE, sealed) == PHONE


ELSEWHERE = {
    "another account": replace(PLACE, account_id=UUID(int=3)),
    "another bucket": replace(PLACE, bucket=8),
    "another row": replace(PLACE, row_id=UUID(int=4)),
    "another column": replace(PLACE, column="participant.label"),
    "account and row swapped": replace(PLACE, account_id=PLACE.row_id, row_id=PLACE.account_id),
    "digits moved over": replace(PLACE, bucket=70),
    "column cut": replace(PLACE, column="participant.phon"),
    "column with the key in it": replace(PLACE, column="participant.phone|1"),
}


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_it_does_not_open_when_it_lies_elsewhere(place: Place) -> None:
    assert_tampered(SEALING.seal(Purpose.EPOCH, PLACE, PHONE), place)


@unhurried
@given(places, places)
def test_values_do_not_open_when_their_rows_were_swapped(one: Place, other: Place) -> None:
    here, there = SEALING.seal(Purpose.TRANSIT, one, "for Alice"), SEALING.seal(Purpose.TRANSIT, other, "for Bob")
    if one == other:
        return

    assert_tampered(there, one, Purpose.TRANSIT)
    assert_tampered(here, other, Purpose.TRANSIT)


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.EPOCH])
def test_it_does_not_open_when_it_was_sealed_for_another_purpose(purpose: Purpose) -> None:
    assert_tampered(SEALING.seal(Purpose.EPOCH, PLACE, PHONE), purpose=purpose)


def test_it_does_not_open_when_any_bit_is_flipped() -> None:
    sealed = SEALING.seal(Purpose.EPOCH, PLACE, PHONE)
    for bit in range(len(sealed.data) * 8):
        flipped = bytearray(sealed.data)
        flipped[bit // 8] ^= 1 << bit % 8

        assert_tampered(replace(sealed, data=bytes(flipped)))


def test_it_does_not_open_when_it_was_cut_anywhere() -> None:
    """Down to nothing: shorter than a nonce, shorter than a tag."""
    sealed = SEALING.seal(Purpose.EPOCH, PLACE, PHONE)
    for length in range(len(sealed.data)):
        assert_tampered(replace(sealed, data=sealed.data[:length]))
        assert_tampered(replace(sealed, data=sealed.data[len(sealed.data) - length :]))


@unhurried
@given(st.binary(max_size=80), st.integers(-1, 3))
def test_nothing_but_tampered_is_raised_when_it_is_garbage(data: bytes, key_id: int) -> None:
    assert_tampered(Sealed(data, key_id))


def test_it_does_not_open_when_it_is_not_text() -> None:
    """Somebody who holds the key sealed bytes that are no UTF-8: still our own refusal."""
    sealed = SEALING.seal(Purpose.EPOCH, PLACE, PHONE)
    cipher = SEALING._cipher(Purpose.EPOCH, sealed.key_id)
    nonce = sealed.data[:12]
    data = nonce + cipher.encrypt(nonce, b"\xff\xfe", PLACE.associated_data(sealed.key_id))

    assert_tampered(Sealed(data, sealed.key_id))


def test_sealing_twice_gives_two_values_when_the_text_is_the_same() -> None:
    """Equal values would show which rows hold the same phone."""
    values = {SEALING.seal(Purpose.EPOCH, PLACE, PHONE).data for _ in range(100)}

    assert len({value[:12] for value in values}) == 100
    assert not any(PHONE.encode() in value for value in values)


def several(*ids: int, same: bool = False) -> Keyring:
    """A keyring with these key numbers, different bytes under each unless ``same``."""
    return Keyring({purpose: [Key(n, bytes([0 if same else n]) * KEY_BYTES) for n in ids] for purpose in Purpose})


def test_the_newest_key_seals_and_older_ones_open_when_there_are_several() -> None:
    old = Sealing(several(1)).seal(Purpose.EPOCH, PLACE, PHONE)
    both = Sealing(several(1, 2))

    assert both.open(Purpose.EPOCH, PLACE, old) == PHONE
    assert both.seal(Purpose.EPOCH, PLACE, PHONE).key_id == 2


def test_it_does_not_open_when_its_key_was_destroyed() -> None:
    sealed = Sealing(several(1)).seal(Purpose.EPOCH, PLACE, PHONE)

    with pytest.raises(Tampered, match="does not hold"):
        Sealing(several(2)).open(Purpose.EPOCH, PLACE, sealed)


def test_it_does_not_open_when_another_key_number_is_claimed() -> None:
    """Not even when both numbers stand for the same bytes: the number is part of what is sealed."""
    sealing = Sealing(several(1, 2, same=True))
    sealed = sealing.seal(Purpose.EPOCH, PLACE, PHONE)

    with pytest.raises(Tampered):
        sealing.open(Purpose.EPOCH, PLACE, replace(sealed, key_id=1))


def test_nothing_shows_when_a_sealed_value_is_printed() -> None:
    sealed = SEALING.seal(Purpose.EPOCH, PLACE, PHONE)

    assert repr(sealed) == f"Sealed(key_id={sealed.key_id})"
