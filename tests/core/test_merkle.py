"""Merkle trees: equal to the RFC's definition for every small size and pair, and no proof holds that was touched."""

from __future__ import annotations

import json
import random
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from relay.core import merkle
from relay.core.errors import EvidenceRefused
from relay.core.merkle import check_consistency, check_inclusion, leaf_hash
from tests.core.trees import changed, defined_path, defined_proof, defined_root, leaves, spoiled

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "rfc6962.json").read_text("utf-8"))
SIZES = range(131)
LEAVES = leaves(130)
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def hashes(level: int, index: int) -> bytes:
    """The hash of a complete subtree of LEAVES."""
    return defined_root(LEAVES[index << level : (index + 1) << level])


def root(size: int) -> bytes:
    return defined_root(LEAVES[:size])


def test_roots_are_the_published_ones() -> None:
    data = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]

    edges = [merkle.extend(0, (), map(leaf_hash, data[:size]))[1] for size in range(len(data) + 1)]

    assert [merkle.edge_root(edge).hex() for edge in edges] == VECTORS["roots"]


def published(level: int, index: int) -> bytes:
    """The hash of a complete subtree of the published leaves."""
    return defined_root(tuple(map(bytes.fromhex, VECTORS["leaves"]))[index << level : (index + 1) << level])


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda vector: f"{vector['index']} in {vector['size']}")
def test_inclusion_proofs_are_the_published_ones(vector: dict[str, Any]) -> None:
    index, size = vector["index"], vector["size"]
    path = merkle.proof(merkle.inclusion_spans(index, size), published)

    assert [part.hex() for part in path] == vector["path"]
    check_inclusion(published(0, index), index, size, path, bytes.fromhex(VECTORS["roots"][size]))


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda vector: f"{vector['old']} to {vector['new']}")
def test_consistency_proofs_are_the_published_ones(vector: dict[str, Any]) -> None:
    old, new = vector["old"], vector["new"]
    path = merkle.proof(merkle.consistency_spans(old, new), published)
    old_root, new_root = (bytes.fromhex(VECTORS["roots"][size]) for size in (old, new))

    assert [part.hex() for part in path] == vector["path"]
    check_consistency(old, old_root, new, new_root, path)


#: RFC 9162 section 2.1.5: its tree of seven leaves, with the names that its drawing gives to the nodes, by their spans.
_DRAWN = {(0, 1): "a", (1, 2): "b", (2, 3): "c", (3, 4): "d", (4, 5): "e", (5, 6): "f", (6, 7): "j"}
_DRAWN |= {(0, 2): "g", (2, 4): "h", (4, 6): "i", (0, 4): "k", (4, 7): "l"}


@pytest.mark.parametrize(("index", "nodes"), [(0, "bhl"), (3, "cgl"), (4, "fjk"), (6, "ik")])
def test_an_inclusion_proof_is_made_of_the_nodes_that_the_rfc_draws(index: int, nodes: str) -> None:
    assert "".join(_DRAWN[span] for span in merkle.inclusion_spans(index, 7)) == nodes


@pytest.mark.parametrize(("old", "nodes"), [(3, "cdgl"), (4, "l"), (6, "ijk")])
def test_a_consistency_proof_is_made_of_the_nodes_that_the_rfc_draws(old: int, nodes: str) -> None:
    assert "".join(_DRAWN[span] for span in merkle.consistency_spans(old, 7)) == nodes


def test_a_tree_is_the_defined_one_however_it_grew() -> None:
    for size in SIZES:
        begun = size // 3
        _, edge = merkle.extend(*merkle.extend(0, (), HASHES[:begun]), HASHES[begun:size])

        assert merkle.edge_root(edge) == merkle.root(size, hashes) == root(size)
        assert len(edge) == size.bit_count()


def test_inclusion_proofs_are_the_defined_ones_and_hold() -> None:
    for size in SIZES:
        for index in range(size):
            path = merkle.proof(merkle.inclusion_spans(index, size), hashes)

            assert path == defined_path(index, LEAVES[:size])
            check_inclusion(HASHES[index], index, size, path, root(size))


def test_consistency_proofs_are_the_defined_ones_and_hold() -> None:
    for new in SIZES[1:]:
        for old in range(1, new + 1):
            path = merkle.proof(merkle.consistency_spans(old, new), hashes)

            assert path == defined_proof(old, LEAVES[:new])
            check_consistency(old, root(old), new, root(new), path)


def test_every_tree_begins_with_the_empty_one() -> None:
    check_consistency(0, merkle.EMPTY_ROOT, 7, root(7), [])

    with pytest.raises(EvidenceRefused):
        check_consistency(0, root(1), 7, root(7), [])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64, 100])
def test_no_inclusion_proof_holds_that_was_touched(size: int) -> None:
    for index in range(size):
        path = merkle.proof(merkle.inclusion_spans(index, size), hashes)
        asked = [(HASHES[index], index, size, wrong, root(size)) for wrong in spoiled(path)]
        asked += [(changed(HASHES[index], index), index, size, path, root(size))]
        asked += [(HASHES[index], index, size, path, changed(root(size), index))]
        asked += [(HASHES[index], other, size, path, root(size)) for other in range(-1, size + 1) if other != index]

        for question in asked:
            with pytest.raises(EvidenceRefused):
                check_inclusion(*question)


@pytest.mark.parametrize("new", [2, 3, 7, 8, 9, 33])
def test_no_consistency_proof_holds_that_was_touched(new: int) -> None:
    for old in range(1, new + 1):
        path = merkle.proof(merkle.consistency_spans(old, new), hashes)
        asked = [(old, root(old), new, root(new), wrong) for wrong in spoiled(path)]
        asked += [
            (old, changed(root(old), new), new, root(new), path),
            (old, root(old), new, changed(root(new), 1), path),
        ]
        asked += [(other, root(old), new, root(new), path) for other in range(-1, new + 2) if other != old]

        for question in asked:
            with pytest.raises(EvidenceRefused):
                check_consistency(*question)


def test_a_fork_has_no_proof() -> None:
    forked = (*LEAVES[:20], LEAVES[21], *LEAVES[21:64])

    for old in range(21, 64):
        path = defined_proof(old, forked)
        with pytest.raises(EvidenceRefused):
            check_consistency(old, root(old), 64, defined_root(forked), path)


def test_a_leaf_is_not_taken_for_a_node() -> None:
    """The two hashes of a node, given as a leaf's bytes, do not hash to that node."""
    assert leaf_hash(HASHES[0] + HASHES[1]) != merkle.node_hash(HASHES[0], HASHES[1])


def test_appending_costs_the_same_at_any_size() -> None:
    """Far below what it does alone (450,000 leaves a second); one that were quadratic would take minutes."""
    data = random.Random(1).randbytes(32 * 1000)
    some = [data[at : at + 32] for at in range(0, len(data), 32)]
    size, begun = 0, perf_counter()
    edge: merkle.Edge = ()

    for _ in range(100):
        size, edge = merkle.extend(size, edge, map(leaf_hash, some))

    assert size == 100_000
    assert perf_counter() - begun < 5
