"""Merkle trees of RFC 6962 section 2.1 (RFC 9162 has the same): roots, growth, and the two proofs.

A leaf and an inner node are hashed behind different bytes, so that neither can be passed off as the other. Nothing is stored
here: whoever makes a proof gives the hashes of complete subtrees, whoever checks one needs only the proof. ``(level, index)`` is
the subtree over the leaves ``index << level`` up to, not including, ``(index + 1) << level``; a span ``(first, end)`` is any run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from relay.core.errors import EvidenceRefused

HASH_BYTES = 32

#: The root of a tree without leaves.
EMPTY_ROOT = sha256(b"").digest()

#: Hashes of the complete subtrees that a tree is made of, largest first: one for every 1 in its size.
Edge = tuple[bytes, ...]

#: The hash of a complete subtree, by level and index.
Hashes = Callable[[int, int], bytes]

Span = tuple[int, int]


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def extend(size: int, edge: Edge, leaf_hashes: Iterable[bytes]) -> tuple[int, Edge]:
    """Append leaves to a tree of which only its edge is kept: its new size and edge. One node is hashed per leaf, on average."""
    held = list(edge)
    for hashed in leaf_hashes:
        complete, size = size, size + 1
        while complete & 1:
            hashed = sha256(b"\x01" + held.pop() + hashed).digest()
            complete >>= 1
        held.append(hashed)
    return size, tuple(held)


def edge_root(edge: Edge) -> bytes:
    """The root of the tree that has this edge."""
    if not edge:
        return EMPTY_ROOT
    *rest, root = edge
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def subtrees(span: Span) -> Iterator[tuple[int, int]]:
    """The complete subtrees that a span is made of, largest first. The span is one that a tree has."""
    first, end = span
    while first < end:
        level = (end - first).bit_length() - 1
        yield level, first >> level
        first += 1 << level


def span_hash(span: Span, hashes: Hashes) -> bytes:
    """The hash over a span of leaves."""
    return edge_root(tuple(hashes(level, index) for level, index in subtrees(span)))


def root(size: int, hashes: Hashes) -> bytes:
    """The root of the first ``size`` leaves."""
    return span_hash((0, size), hashes)


def inclusion_spans(index: int, size: int) -> list[Span]:
    """What an inclusion proof is made of, from the leaf's sibling up: RFC 6962 section 2.1.1. ``index`` is below ``size``."""
    first, end, found = 0, size, list[Span]()
    while end - first > 1:
        middle = first + _left(end - first)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((first, middle))
            first = middle
    return found[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """What a proof is made of that a tree only grew: RFC 6962 section 2.1.2. 0 < ``old`` <= ``new``."""
    first, end, found = 0, new, list[Span]()
    while old < end:
        middle = first + _left(end - first)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((first, middle))
            first = middle
    if first > 0:  # else the old tree is itself a complete subtree, whose root the verifier holds
        found.append((first, end))
    return found[::-1]


def _left(size: int) -> int:
    """How many leaves the left side of a tree has: the largest power of two below its size."""
    return 1 << ((size - 1).bit_length() - 1)


def proof(spans: Sequence[Span], hashes: Hashes) -> list[bytes]:
    """The proof over these spans."""
    return [span_hash(span, hashes) for span in spans]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> None:
    """Raises EvidenceRefused unless the leaf with this leaf hash stands at ``index`` in the tree: RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        raise EvidenceRefused("the index is not in the tree", code="proof_refused")
    number, last, hashed = index, size - 1, leaf
    for sibling in path:
        _check_part(sibling, more=last > 0)
        if number & 1 or number == last:
            hashed = node_hash(sibling, hashed)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        number, last = number >> 1, last >> 1
    _check_end(last, hashed == expected_root)


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raises EvidenceRefused unless the new tree begins with the old one: RFC 9162 section 2.1.4.2."""
    if not 0 <= old <= new:
        raise EvidenceRefused("a tree does not shrink", code="proof_refused")
    if old in (0, new):
        _check_end(len(path), old_root == (new_root if old else EMPTY_ROOT))
        return
    parts = list(path) if old & (old - 1) else [old_root, *path]
    if not parts:
        raise EvidenceRefused("the proof is too short", code="proof_refused")
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    older = newer = parts[0]
    for part in parts[1:]:
        _check_part(part, more=last > 0)
        if number & 1 or number == last:
            older, newer = node_hash(part, older), node_hash(part, newer)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            newer = node_hash(newer, part)
        number, last = number >> 1, last >> 1
    _check_end(last, older == old_root and newer == new_root)


def _check_part(part: bytes, *, more: bool) -> None:
    if not more:
        raise EvidenceRefused("the proof is too long", code="proof_refused")
    if len(part) != HASH_BYTES:
        raise EvidenceRefused("a hash in the proof has not 32 bytes", code="proof_refused")


def _check_end(left: int, proven: bool) -> None:
    if left:
        raise EvidenceRefused("the proof has not the length that these sizes take", code="proof_refused")
    if not proven:
        raise EvidenceRefused("the proof leads to another root", code="proof_refused")
