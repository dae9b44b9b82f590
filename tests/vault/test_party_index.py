"""Party indexes: the same person again, and nothing that tells two accounts, or anybody without the key, who it is."""

from __future__ import annotations

import hashlib
from uuid import UUID

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from relay.core.arrival import Party
from relay.core.keys import Purpose
from relay.vault.keyring import KEY_BYTES, Key, Keyring, make
from relay.vault.party_index import INDEX_BYTES, PartyIndexes

ACCOUNT, OTHER_ACCOUNT = UUID(int=1), UUID(int=2)
ALICE, BOB = "+12025550123", "+46701740655"
KEYRING = make()
INDEXES = PartyIndexes(KEYRING)

unhurried = settings(deadline=None)  # the machine is shared; a slow example proves nothing
phones = st.integers(100, 199).map(lambda n: f"+12025550{n}") | st.integers(605, 699).map(lambda n: f"+46701740{n}")
parts = st.lists(st.binary(max_size=6), max_size=4)


def keyring(*ids: int) -> Keyring:
    """A keyring with these key numbers for every purpose."""
    return Keyring({purpose: [Key(n, bytes([n]) * KEY_BYTES) for n in ids] for purpose in Purpose})


@unhurried
@given(st.uuids(), phones)
def test_a_person_has_one_index_when_asked_again(account_id: UUID, phone: str) -> None:
    party = INDEXES.of(account_id, phone)

    assert party == PartyIndexes(KEYRING).of(account_id, phone)
    assert len(party.index) == INDEX_BYTES == 16


@unhurried
@given(st.uuids(), st.uuids(), phones, phones)
def test_indexes_differ_when_account_or_phone_does(one: UUID, other: UUID, phone: str, another: str) -> None:
    same = one == other and phone == another

    assert (INDEXES.of(one, phone) == INDEXES.of(other, another)) is same


def test_a_person_looks_different_when_two_accounts_know_them() -> None:
    assert INDEXES.of(ACCOUNT, ALICE).index != INDEXES.of(OTHER_ACCOUNT, ALICE).index


def test_an_index_cannot_be_guessed_when_the_key_is_not_known() -> None:
    """All phones can be hashed in minutes: with another key, or none, nothing must match."""
    index = INDEXES.of(ACCOUNT, ALICE).index

    assert PartyIndexes(make()).of(ACCOUNT, ALICE).index != index
    assert hashlib.sha256(ALICE.encode()).digest()[:16] != index
    assert ALICE.encode() not in index


def test_the_newest_key_makes_the_index_when_there_are_several() -> None:
    old, both = PartyIndexes(keyring(1)), PartyIndexes(keyring(1, 2))

    assert both.of(ACCOUNT, ALICE).key_id == 2
    assert both.of(ACCOUNT, ALICE).index != old.of(ACCOUNT, ALICE).index


@unhurried
@given(st.uuids(), phones, phones)
def test_a_pair_is_the_same_when_either_is_named_first(account_id: UUID, phone: str, another: str) -> None:
    one, other = INDEXES.of(account_id, phone), INDEXES.of(account_id, another)
    pair = INDEXES.pair(account_id, one, other)

    assert pair == INDEXES.pair(account_id, other, one)
    assert len(pair) == INDEX_BYTES
    assert pair not in (one.index, other.index)


def test_pairs_differ_when_one_of_the_two_or_the_account_does() -> None:
    alice, bob, carol = (INDEXES.of(ACCOUNT, phone) for phone in (ALICE, BOB, "+12025550124"))
    pairs = {INDEXES.pair(ACCOUNT, *two) for two in ((alice, bob), (alice, carol), (bob, carol), (alice, alice))}

    assert len(pairs) == 4
    assert INDEXES.pair(OTHER_ACCOUNT, alice, bob) not in pairs


def test_pairs_differ_when_bytes_move_from_one_to_the_other() -> None:
    """Indexes are all of one length; the frame must not rest on that."""
    first = INDEXES.pair(ACCOUNT, Party(b"a", 1), Party(b"bc", 1))

    assert first != INDEXES.pair(ACCOUNT, Party(b"ab", 1), Party(b"c", 1))


@unhurried
@given(parts, parts)
def test_fingerprints_differ_when_the_parts_are_cut_differently(one: list[bytes], other: list[bytes]) -> None:
    assume(one != other)

    assert INDEXES.fingerprint("webhook", *one) != INDEXES.fingerprint("webhook", *other)


def test_fingerprints_differ_when_nothing_but_the_cut_does() -> None:
    cuts = [(b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b""), (b"", b"abc"), (b"a", b"b", b"c")]

    assert len({INDEXES.fingerprint("webhook", *cut) for cut in cuts}) == len(cuts)


def test_fingerprints_differ_when_they_are_of_different_things() -> None:
    things: list[tuple[str, list[bytes]]] = [("a", [b"b"]), ("c", [b"b"]), ("ab", []), ("", [b"a", b"b"]), ("", [b"b"])]

    assert len({INDEXES.fingerprint(what, *rest) for what, rest in things}) == len(things)


def test_a_fingerprint_stays_when_asked_again() -> None:
    again = PartyIndexes(KEYRING).fingerprint("webhook", b"body")

    assert INDEXES.fingerprint("webhook", b"body") == again
    assert PartyIndexes(make()).fingerprint("webhook", b"body") != again


def test_uses_of_one_person_stay_apart_when_their_bytes_are_equal() -> None:
    """A party, a pair and a fingerprint are three questions, even about the same bytes."""
    answers = [
        INDEXES.of(ACCOUNT, ALICE).index,
        INDEXES.fingerprint("party", ALICE.encode()),
        INDEXES.pair(ACCOUNT, Party(ALICE.encode(), 1), Party(b"", 1)),
    ]

    assert len(set(answers)) == 3
