"""A proof that an entry is in a log, as one text that is checked offline (https://c2sp.org/tlog-proof)."""

from __future__ import annotations

from dataclasses import dataclass

from relay.core.errors import EvidenceRefused
from relay.core.merkle import HASH_BYTES, check_inclusion, leaf_hash
from relay.core.notes import (
    Note,
    NoteKey,
    Verify,
    from_base64,
    in_base64,
    parse_checkpoint,
    parse_note,
    parse_number,
    proven,
)

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_EXTRA, _INDEX = "extra ", "index "
_DEEPEST = 63


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Where an entry stands, the hashes that lead from it to the root, and the signed checkpoint that has this root."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Note

    def written(self) -> str:
        lines = [_FIRST_LINE, f"{_INDEX}{self.index}", *map(in_base64, self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint.written()


def parse_proof(text: str) -> InclusionProof:
    """Read a proof; opaque data in it is passed over. Raises EvidenceRefused; nothing is proven by that."""
    head, _, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    lines = lines[1:] if lines and lines[0].startswith(_EXTRA) else lines
    if first != _FIRST_LINE or not lines or not lines[0].startswith(_INDEX):
        raise EvidenceRefused(f"a proof begins with {_FIRST_LINE} and an index", code="proof_refused")
    path = tuple(map(from_base64, lines[1:]))
    if len(path) > _DEEPEST or any(len(part) != HASH_BYTES for part in path):
        raise EvidenceRefused("a proof is at most 63 hashes of 32 bytes", code="proof_refused")
    return InclusionProof(parse_number(lines[0].removeprefix(_INDEX)), path, parse_note(checkpoint))


def check_proof(proof: InclusionProof, leaf: bytes, origin: str, key: NoteKey, verify: Verify) -> None:
    """Raises EvidenceRefused unless this log, with this key, has signed a tree that holds the leaf where the proof says."""
    proven(proof.checkpoint, [key], verify)
    head = parse_checkpoint(proof.checkpoint.text)
    if head.origin != origin:
        raise EvidenceRefused("the checkpoint is another log's", code="proof_refused")
    check_inclusion(leaf_hash(leaf), proof.index, head.size, proof.path, head.root)
