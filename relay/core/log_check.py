"""Whether what is shown of a log is what its head was signed for.

The keeper's own check: it finds what was changed in a database. What its owner has signed anew, auditors find themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from relay.core.entries import leaf_of
from relay.core.errors import EvidenceRefused
from relay.core.merkle import Hashes, check_inclusion, inclusion_spans, leaf_hash, proof, root
from relay.core.notes import NoteKey, Verify, parse_checkpoint, parse_note, proven
from relay.core.tiles import Place, places_of


@dataclass(frozen=True, slots=True)
class Told:
    """What an entry says, with its salt."""

    n: int
    salt: bytes = field(repr=False)
    record: bytes


def places_needed(size: int, numbers: Iterable[int]) -> set[Place]:
    """Which tiles lead from these entries to the root of a tree."""
    return places_of([(0, size)]).union(*(places_of(inclusion_spans(n, size)) for n in numbers))


@dataclass(frozen=True, slots=True)
class Signed:
    """A head as it is kept: the signed note, and of how many entries it should be. ``keys`` could have signed it."""

    note: str
    size: int
    keys: Collection[NoteKey]


def fits(signed: Signed, told: Iterable[Told], hashes: Hashes, verify: Verify) -> bool:
    """Is this the signed head of this very tree, with these entries in it?"""
    try:
        note = parse_note(signed.note)
        proven(note, signed.keys, verify)
        head = parse_checkpoint(note.text)
        if head.size != signed.size or root(head.size, hashes) != head.root:
            return False
        for one in told:
            path = proof(inclusion_spans(one.n, head.size), hashes)
            check_inclusion(leaf_hash(leaf_of(one.salt, one.record)), one.n, head.size, path, head.root)
    except (EvidenceRefused, LookupError):  # a tile may be missing, or too short
        return False
    return True
