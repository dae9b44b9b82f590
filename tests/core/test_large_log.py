"""A hundred thousand entries: whatever is erased and forgotten, every earlier proof holds, and nothing is changed unseen."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from relay.core import merkle
from relay.core.entries import Fact, leaf_of, record_of
from relay.core.errors import EvidenceRefused
from relay.core.inclusion import InclusionProof, check_proof, parse_proof
from relay.core.merkle import check_consistency, check_inclusion, leaf_hash
from relay.core.notes import Checkpoint, Note, parse_checkpoint, signed
from relay.core.tiles import ENTRIES, TILE_WIDTH, Growth, Place, hashes_in, places_of, split, unfinished
from tests.core.test_notes import LOG, LOG_KEY, verify
from tests.core.trees import changed

ENTRIES_IN_IT, CHECKPOINTS, MUTATIONS = 100_000, 50, 1000
AT = datetime(2026, 11, 21, tzinfo=UTC)
KEY = bytes(32)
chance = random.Random(6962)


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it is kept. ``told``: index -> salt and record, of what is neither erased nor forgotten. ``proofs``: as they were
    handed out when their entry was the newest checkpoint's."""

    kept: dict[Place, bytes]
    heads: list[Note]
    told: dict[int, tuple[bytes, bytes]]
    proofs: dict[int, str]

    @property
    def head(self) -> Checkpoint:
        return parse_checkpoint(self.heads[-1].text)


def told(number: int) -> tuple[bytes, bytes]:
    fact = Fact(UUID(int=number), UUID(int=7), "message.delivered", AT + timedelta(seconds=number), segments=number % 9)
    return chance.randbytes(32), record_of(fact, KEY)


@pytest.fixture(scope="module")
def log() -> Log:
    """Grown in fifty steps; then every tenth entry is erased and the oldest 30 % forgotten."""
    found, size = Log({}, [], {}, {}), 0
    for until in [*sorted(chance.sample(range(1, ENTRIES_IN_IT), CHECKPOINTS - 1)), ENTRIES_IN_IT]:
        growth = Growth(size, {place: found.kept[place] for place in unfinished(size)})
        new = {number: told(number) for number in range(size, until)}
        growth.take(leaf_of(*one) for one in new.values())
        size = until
        found.kept.update({place: bytes(tile) for place, tile in growth.changed.items()})
        found.told.update(new)
        text = Checkpoint(LOG_KEY.name, size, growth.root()).text()
        found.heads.append(Note(text, (signed(text, LOG_KEY, LOG.sign),)))
        for number in chance.sample(range(size), min(size, 20)):
            found.proofs[number] = prove(found, number).written()
    for number in list(found.told):
        if number % 10 == 3 or number < ENTRIES_IN_IT * 3 // 10:
            del found.told[number]
    return found


def prove(log: Log, number: int) -> InclusionProof:
    spans = merkle.inclusion_spans(number, log.head.size)
    needed = {place: log.kept[place] for place in places_of(spans)}
    return InclusionProof(number, tuple(merkle.proof(spans, hashes_in(needed))), log.heads[-1])


def test_every_earlier_proof_holds_when_much_is_erased_and_forgotten(log: Log) -> None:
    """Those who hold a proof hold its record and salt as well; of the others the leaf is still served."""
    assert len(log.told) == 63_000
    assert len(log.proofs) > 900
    for number, text in log.proofs.items():
        leaf = split(log.kept[Place(ENTRIES, number // TILE_WIDTH)])[number % TILE_WIDTH]
        check_proof(parse_proof(text), leaf, LOG_KEY.name, LOG_KEY, verify)


def test_every_two_of_fifty_heads_are_consistent(log: Log) -> None:
    hashes, heads = hashes_in(log.kept), [parse_checkpoint(head.text) for head in log.heads]
    for newer in heads:
        for older in (head for head in heads if head.size <= newer.size):
            path = merkle.proof(merkle.consistency_spans(older.size, newer.size), hashes)
            check_consistency(older.size, older.root, newer.size, newer.root, path)


def holds(log: Log, number: int, salt: bytes, record: bytes) -> None:
    """What a verifier does with an entry: raises EvidenceRefused unless it is in the log."""
    check_proof(prove(log, number), leaf_of(salt, record), LOG_KEY.name, LOG_KEY, verify)


def record_changed(log: Log, number: int) -> None:
    salt, record = log.told[number]
    holds(log, number, salt, changed(record, chance.randrange(8 * len(record))))


def salt_changed(log: Log, number: int) -> None:
    salt, record = log.told[number]
    holds(log, number, changed(salt, chance.randrange(256)), record)


def back_dated(log: Log, number: int) -> None:
    salt, record = log.told[number]
    holds(log, number, salt, record.replace(b'"time":"2026', b'"time":"2025'))


def moved(log: Log, number: int) -> None:
    other = (number + chance.randrange(1, ENTRIES_IN_IT)) % ENTRIES_IN_IT
    holds(log, other, *log.told[number])


def another_put_in_its_place(log: Log, number: int) -> None:
    holds(log, number, *told(number))


def removed(log: Log, number: int) -> None:
    """Everything behind it moves up by one."""
    place = Place(ENTRIES, number // TILE_WIDTH)
    leaves = split(log.kept[place])
    gone = [*leaves[: number % TILE_WIDTH], *leaves[number % TILE_WIDTH + 1 :], bytes(32)]
    whole(with_tile(log, place, b"".join(gone)), place)


def reordered(log: Log, number: int) -> None:
    place, at = Place(ENTRIES, number // TILE_WIDTH), number % (TILE_WIDTH - 1)
    leaves = split(log.kept[place])
    at = min(at, len(leaves) - 2)
    leaves[at], leaves[at + 1] = leaves[at + 1], leaves[at]
    whole(with_tile(log, place, b"".join(leaves)), place)


def tile_changed(log: Log, _: int) -> None:
    place = chance.choice(list(log.kept))
    whole(with_tile(log, place, changed(log.kept[place], chance.randrange(8 * len(log.kept[place])))), place)


def head_changed(log: Log, number: int) -> None:
    text = Checkpoint(LOG_KEY.name, ENTRIES_IN_IT, changed(log.head.root, number)).text()
    forged = Log(log.kept, [*log.heads, Note(text, log.heads[-1].signatures)], log.told, {})
    holds(forged, number, *log.told[number])


def path_changed(log: Log, number: int) -> None:
    proof = prove(log, number)
    step = chance.randrange(len(proof.path))
    path = [*proof.path[:step], changed(proof.path[step], chance.randrange(256)), *proof.path[step + 1 :]]
    check_inclusion(leaf_hash(leaf_of(*log.told[number])), number, log.head.size, path, log.head.root)


def with_tile(log: Log, place: Place, tile: bytes) -> Log:
    return Log({**log.kept, place: tile}, log.heads, log.told, {})


def whole(log: Log, place: Place) -> None:
    """What a verifier does with tiles: raises EvidenceRefused unless this one hashes to the one above, and so on to the root."""
    while len(log.kept[place]) == TILE_WIDTH * merkle.HASH_BYTES:
        above = Place(max(place.level, 0) + 1, place.index // TILE_WIDTH)
        full = split(log.kept[place])
        over = merkle.extend(0, (), map(leaf_hash, full) if place.level == ENTRIES else full)[1][0]
        if over != split(log.kept[above])[place.index % TILE_WIDTH]:
            raise EvidenceRefused
        place = above
    if merkle.root(log.head.size, hashes_in(log.kept)) != log.head.root:
        raise EvidenceRefused


KINDS: list[Callable[[Log, int], None]] = [
    record_changed,
    salt_changed,
    back_dated,
    moved,
    another_put_in_its_place,
    removed,
    reordered,
    tile_changed,
    head_changed,
    path_changed,
]


def test_the_verifier_accepts_what_was_not_touched(log: Log) -> None:
    for number in chance.sample(list(log.told), 100):
        holds(log, number, *log.told[number])
    for place in log.kept:
        whole(log, place)


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_is_seen(log: Log, kind: Callable[[Log, int], None]) -> None:
    """A hundred of each kind: a thousand in all."""
    for number in chance.sample(list(log.told), MUTATIONS // len(KINDS)):
        with pytest.raises(EvidenceRefused):
            kind(log, number)
