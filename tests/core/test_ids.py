"""Ids: what went in comes out again, and whatever is not exactly one of ours does not exist."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from relay.core.errors import NotFound
from relay.core.ids import BUCKETS, ENTROPY_BYTES, IdKind, Seed, bucket_of, fixed_bucket, make_id, parse, public

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROW = make_id(7, NOON, bytes(range(ENTROPY_BYTES)))
LETTERS = public(IdKind.SESSION, ROW).removeprefix("ses_")

buckets = st.integers(0, BUCKETS - 1)
entropies = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
times = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside
kinds = st.sampled_from(IdKind)

unhurried = settings(deadline=None)  # the machine is shared; a slow example proves nothing


@unhurried
@given(buckets, times, entropies)
def test_bucket_comes_back_when_an_id_was_made_in_it(bucket: int, at: datetime, entropy: bytes) -> None:
    row_id = make_id(bucket, at, entropy)

    assert bucket_of(row_id) == bucket
    assert (row_id.version, row_id.variant) == (7, RFC_4122)


@unhurried
@given(buckets, times, entropies)
def test_id_begins_with_its_time_when_made(bucket: int, at: datetime, entropy: bytes) -> None:
    """RFC 9562 5.7: 48 bits of milliseconds. A float's rounding may cost one."""
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    assert make_id(bucket, at, entropy).int >> 80 in (milliseconds, milliseconds - 1)


@unhurried
@given(times, st.integers(2, 10**10), st.tuples(buckets, buckets), st.tuples(entropies, entropies))
def test_ids_sort_by_time_when_made_one_after_the_other(
    at: datetime, later_ms: int, places: tuple[int, int], chances: tuple[bytes, bytes]
) -> None:
    early = make_id(places[0], at, chances[0])
    late = make_id(places[1], at + timedelta(milliseconds=later_ms), chances[1])

    assert early < late


def test_each_bit_of_chance_counts_when_an_id_is_made() -> None:
    """64 of the 80 given bits are kept: 12 before the variant, 52 after it. Fewer would be ids that meet."""
    made = {make_id(7, NOON, (1 << bit).to_bytes(ENTROPY_BYTES, "big")) for bit in range(64)}

    assert len(made) == 64
    assert make_id(7, NOON, bytes(ENTROPY_BYTES)) not in made


@pytest.mark.parametrize("bucket", [-1, 1024, 70000])
def test_id_is_refused_when_there_is_no_such_bucket(bucket: int) -> None:
    with pytest.raises(ValueError, match="bucket"):
        make_id(bucket, NOON, bytes(ENTROPY_BYTES))


@pytest.mark.parametrize("size", [0, 9, 11])
def test_id_is_refused_when_entropy_is_not_ten_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="entropy"):
        make_id(0, NOON, bytes(size))


@unhurried
@given(buckets, times, entropies)
def test_a_seed_makes_the_same_id_when_asked_again(bucket: int, at: datetime, entropy: bytes) -> None:
    seed = Seed(at, entropy)

    assert seed.id_in(bucket) == seed.id_in(bucket) == make_id(bucket, at, entropy)


@unhurried
@given(kinds, st.uuids())
@example(IdKind.POOL, UUID(int=0))
@example(IdKind.POOL, UUID(int=(1 << 128) - 1))
def test_public_id_reads_back_when_written(kind: IdKind, row_id: UUID) -> None:
    text = public(kind, row_id)

    assert parse(kind, text) == row_id
    assert text == f"{kind}_{text[-26:]}"
    assert text.isascii()
    assert text == text.lower()


@unhurried
@given(kinds, kinds, st.uuids())
def test_public_id_is_not_found_when_read_as_another_kind(kind: IdKind, other: IdKind, row_id: UUID) -> None:
    assume(kind != other)

    with pytest.raises(NotFound):
        parse(other, public(kind, row_id))


STRANGERS = {
    "empty": "",
    "kind alone": "ses",
    "no letters": "ses_",
    "bare letters": LETTERS,
    "bare uuid": str(ROW),
    "uuid": f"ses_{ROW}",
    "capitals": f"ses_{LETTERS.upper()}",
    "capital kind": f"SES_{LETTERS}",
    "too short": f"ses_{LETTERS[:-1]}",
    "too long": f"ses_{LETTERS}a",
    "padded": f"ses_{LETTERS}======",
    "padding inside": f"ses_{LETTERS[:20]}======",
    "space behind": f"ses_{LETTERS} ",
    "newline behind": f"ses_{LETTERS}\n",
    "newline for a letter": f"ses_{LETTERS[:-1]}\n",
    "not base32": f"ses_{LETTERS[:-1]}1",
    "other dash": f"ses-{LETTERS}",
    "doubled": f"ses_ses_{LETTERS}",
    "letters that lower to ASCII": "ses_" + "\N{KELVIN SIGN}" * 26,
    "other digits": "ses_" + "\N{ARABIC-INDIC DIGIT THREE}" * 26,
    "lone surrogate": f"ses_{LETTERS[:-1]}\ud800",
    "null": f"ses_{LETTERS[:-1]}\0",
}


@pytest.mark.parametrize("text", STRANGERS.values(), ids=STRANGERS.keys())
def test_nothing_is_found_when_the_text_is_no_id_of_ours(text: str) -> None:
    with pytest.raises(NotFound) as refusal:
        parse(IdKind.SESSION, text)

    assert not text or text not in str(refusal.value)


def test_one_spelling_is_found_when_spare_bits_allow_four() -> None:
    """26 letters hold 130 bits, an id 128: the last letter has three more spellings of the same id."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    found = [last for last in alphabet if _is_found(f"ses_{LETTERS[:-1]}{last}")]

    assert len(found) == len(alphabet) // 4
    assert LETTERS[-1] in found


@settings(max_examples=300, deadline=None)
@given(kinds, st.one_of(st.text(), st.text("abcxyz234567_=", min_size=20, max_size=34).map("ses_".__add__)))
def test_nothing_but_not_found_is_raised_when_reading_garbage(kind: IdKind, text: str) -> None:
    try:
        row_id = parse(kind, text)
    except NotFound:
        return

    assert public(kind, row_id) == text


def test_buckets_of_pools_are_spread_evenly_when_many_are_made() -> None:
    counts = Counter(fixed_bucket(number.to_bytes(16, "big")) for number in range(20 * BUCKETS))

    assert len(counts) == BUCKETS
    assert max(counts.values()) < 60


def test_fixed_bucket_stays_when_the_program_changes() -> None:
    """Pools made by an earlier version live where this function said; another answer would lose them."""
    assert [fixed_bucket(entropy) for entropy in (b"", b"relay", bytes(16))] == [235, 766, 644]


def _is_found(text: str) -> bool:
    try:
        parse(IdKind.SESSION, text)
    except NotFound:
        return False
    return True
