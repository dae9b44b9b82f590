"""A Merkle tree that is not ours, pymerkle's, as the judge of our roots and our inclusion proofs.

Its consistency proofs are laid out unlike the RFC's, so of those it judges the two roots between which ours lead, and
``test_consistency_oracle`` has another judge. Skipped where the package (extra ``oracles``) is not installed. Nothing of it is
used outside this file.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from relay.core import merkle
from relay.core.tiles import Growth, hashes_in
from tests.core.trees import changed, leaves

pytestmark = pytest.mark.oracle
pymerkle = pytest.importorskip("pymerkle")

LEAVES = leaves(2000)


@pytest.fixture(scope="module")
def theirs() -> Any:
    tree = pymerkle.InmemoryTree("sha256")
    tree.append_entries(LEAVES)
    return tree


@pytest.fixture(scope="module")
def ours() -> merkle.Hashes:
    growth = Growth(0, {})
    growth.take(LEAVES)
    return hashes_in({place: bytes(tile) for place, tile in growth.changed.items()})


def some_sizes(count: int) -> list[int]:
    return random.Random(count).sample(range(1, len(LEAVES)), count)


def test_it_finds_the_same_roots(theirs: Any, ours: merkle.Hashes) -> None:
    assert all(theirs.get_root(size) == merkle.root(size, ours) for size in some_sizes(500))


def test_it_accepts_our_inclusion_proofs_and_nothing_else(theirs: Any, ours: merkle.Hashes) -> None:
    for size in some_sizes(300):
        index = size * 7919 % size
        path = merkle.proof(merkle.inclusion_spans(index, size), ours)
        leaf, root = merkle.leaf_hash(LEAVES[index]), merkle.root(size, ours)

        _judge(index, size, leaf, path, root)
        with pytest.raises(pymerkle.InvalidProof):
            _judge(index, size, leaf, path, changed(root, size))
        with pytest.raises(pymerkle.InvalidProof):
            _judge(index, size, leaf, [*path[:-1], changed(path[-1] if path else leaf, 3)], root)


def _judge(index: int, size: int, leaf: bytes, path: list[bytes], root: bytes) -> None:
    """It counts from one, wants the leaf in front, and is told which sides its own proof of that place would name."""
    rule, _ = pymerkle.core._inclusion_path_layout(index + 1, size)
    proof = pymerkle.InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])
    pymerkle.verify_inclusion(leaf, root, proof, index=index + 1, size=size)


def test_our_consistency_proofs_lead_between_its_roots(theirs: Any, ours: merkle.Hashes) -> None:
    for old, new in zip(some_sizes(400), some_sizes(401), strict=False):
        old, new = sorted((old, new))
        path = merkle.proof(merkle.consistency_spans(old, new), ours)

        merkle.check_consistency(old, theirs.get_root(old), new, theirs.get_root(new), path)
