"""Callback tokens: only what one of our keys wrote is read, letter by letter, and nothing else is ever raised."""

from __future__ import annotations

import re
from itertools import count
from uuid import UUID

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from relay.core.errors import Tampered
from relay.core.keys import Purpose
from relay.vault.keyring import KEY_BYTES, Key, Keyring, make
from relay.vault.tokens import AttemptToken, Tokens

ATTEMPT = AttemptToken(UUID(int=1), UUID(int=2))
TOKENS = Tokens(make())
TEXT = TOKENS.write(ATTEMPT)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

unhurried = settings(deadline=None)  # the machine is shared; a slow example proves nothing


def keyring(*ids: int) -> Keyring:
    """A keyring with these key numbers for every purpose."""
    return Keyring({purpose: [Key(n, bytes([n]) * KEY_BYTES) for n in ids] for purpose in Purpose})


def assert_refused(text: str, tokens: Tokens = TOKENS) -> None:
    """It is no token, and the refusal does not repeat it."""
    with pytest.raises(Tampered) as refusal:
        tokens.read(text)

    assert str(refusal.value) == "not a token"
    assert refusal.value.__cause__ is None


@unhurried
@given(st.uuids(), st.uuids())
def test_the_attempt_comes_back_when_its_token_does(message_id: UUID, attempt_id: UUID) -> None:
    token = AttemptToken(message_id, attempt_id)

    assert TOKENS.read(TOKENS.write(token)) == token


@unhurried
@given(st.uuids(), st.uuids())
def test_a_token_needs_no_quoting_when_put_into_a_url(message_id: UUID, attempt_id: UUID) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", TOKENS.write(AttemptToken(message_id, attempt_id)))


def test_a_token_is_refused_when_any_letter_is_another() -> None:
    for place, letter in enumerate(TEXT):
        for other in (ALPHABET[(ALPHABET.index(letter) + step) % 64] for step in (1, 2, 16, 32, 63)):
            assert_refused(TEXT[:place] + other + TEXT[place + 1 :])


@unhurried
@given(st.integers(0, 64), st.sampled_from("\n\r\t !*+/=.~%\0,A_-"))
def test_a_token_is_refused_when_anything_is_put_in(place: int, letter: str) -> None:
    """Decoders of base64 like to overlook what is not in their alphabet; each spelling would be another URL."""
    assert_refused(TEXT[:place] + letter + TEXT[place:])


@unhurried
@given(st.integers(0, 63), st.integers(1, 64))
def test_a_token_is_refused_when_anything_is_cut_out(start: int, length: int) -> None:
    assert_refused(TEXT[:start] + TEXT[start + length :])


def test_a_token_is_refused_when_it_is_spelt_in_the_other_alphabet() -> None:
    attempts = (AttemptToken(UUID(int=n), UUID(int=n)) for n in count())
    text = next(text for text in map(TOKENS.write, attempts) if "-" in text and "_" in text)

    assert_refused(text.replace("-", "+"))
    assert_refused(text.replace("_", "/"))


def test_a_token_is_refused_when_its_halves_are_swapped_or_mixed() -> None:
    other = TOKENS.write(AttemptToken(UUID(int=3), UUID(int=4)))

    assert_refused(TEXT[:43] + other[43:])
    assert_refused(TEXT[32:] + TEXT[:32])
    assert_refused(TEXT + other)


def test_a_token_is_refused_when_another_installation_wrote_it() -> None:
    assert_refused(Tokens(make()).write(ATTEMPT))


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=80) | st.text(ALPHABET + "=+/ ", min_size=60, max_size=68))
@example("")
@example("A" * 64)
@example("=" * 64)
@example("\ud800" * 64)
@example("\N{FULLWIDTH LATIN CAPITAL LETTER A}" * 64)
def test_nothing_but_tampered_is_raised_when_it_is_garbage(text: str) -> None:
    assume(text != TEXT)

    assert_refused(text)


def test_a_token_is_read_when_an_older_key_wrote_it() -> None:
    text = Tokens(keyring(1)).write(ATTEMPT)

    assert Tokens(keyring(1, 2, 3)).read(text) == ATTEMPT


def test_the_newest_key_writes_when_there_are_several() -> None:
    both = Tokens(keyring(1, 2))

    assert Tokens(keyring(2)).read(both.write(ATTEMPT)) == ATTEMPT
    assert_refused(both.write(ATTEMPT), Tokens(keyring(1)))


def test_a_token_is_refused_when_its_key_was_destroyed() -> None:
    assert_refused(Tokens(keyring(1)).write(ATTEMPT), Tokens(keyring(2)))


def test_the_secret_of_cursors_is_another_when_both_come_from_one_key() -> None:
    """One signed purpose, one key: a cursor must not pass for a token."""
    tokens = Tokens(keyring(1))

    assert len(tokens.cursor_secret) == 32
    assert tokens.cursor_secret not in (bytes([1]) * KEY_BYTES, *tokens._attempts.keys, *tokens._proofs.keys)
    assert tokens.cursor_secret != Tokens(keyring(2)).cursor_secret
