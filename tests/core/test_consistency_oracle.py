"""A verifier of RFC 6962 and 9162 that is not ours, scitt-cose's, as the judge of our consistency proofs.

It makes such proofs itself, out of all leaves as the RFC defines them, and checks those of others; both are held against ours.
pymerkle, which judges the rest, has consistency proofs of a form of its own; sigstore's package checks inclusion alone. Skipped
where the package (extra ``oracles``) is not installed. Nothing of it is used outside this file.
"""

from __future__ import annotations

import random

import pytest

from relay.core import merkle
from relay.core.errors import EvidenceRefused
from relay.core.tiles import Growth, hashes_in
from tests.core.trees import changed, leaves, spoiled

pytestmark = pytest.mark.oracle
theirs = pytest.importorskip("scitt_cose")

LEAVES = leaves(2000)
ENTRIES = [leaf.hex() for leaf in LEAVES]


@pytest.fixture(scope="module")
def ours() -> merkle.Hashes:
    growth = Growth(0, {})
    growth.take(LEAVES)
    return hashes_in({place: bytes(tile) for place, tile in growth.changed.items()})


def some_pairs(count: int) -> list[tuple[int, int]]:
    """Sizes before and after, of all kinds: powers of two and their neighbours too."""
    chance = random.Random(count)
    near = [size + by for size in (1 << power for power in range(1, 11)) for by in (-1, 0, 1)]
    sizes = [chance.choice(near) if chance.random() < 0.5 else chance.randint(1, len(LEAVES)) for _ in range(2 * count)]
    return [(min(pair), max(pair)) for pair in zip(sizes[::2], sizes[1::2], strict=True)]


def proof(ours: merkle.Hashes, old: int, new: int) -> list[bytes]:
    return merkle.proof(merkle.consistency_spans(old, new), ours)


def holds(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> bool:
    """Its verdict."""
    return bool(theirs.verify_consistency(old_root.hex(), new_root.hex(), old, new, [part.hex() for part in path]))


def test_it_makes_the_same_proofs(ours: merkle.Hashes) -> None:
    pairs = [(old, new) for new in range(1, 34) for old in range(1, new + 1)] + some_pairs(25)

    for old, new in pairs:
        assert [part.hex() for part in proof(ours, old, new)] == theirs.consistency_proof(ENTRIES, old, new)


def test_it_accepts_our_proofs(ours: merkle.Hashes) -> None:
    for old, new in some_pairs(600):
        assert holds(old, merkle.root(old, ours), new, merkle.root(new, ours), proof(ours, old, new))


def test_it_refuses_what_we_refuse(ours: merkle.Hashes) -> None:
    """Every way to spoil a proof by one step, and roots and sizes that it is not of."""
    for old, new in some_pairs(40):
        path, old_root, new_root = proof(ours, old, new), merkle.root(old, ours), merkle.root(new, ours)
        wrong = [(old, old_root, new, new_root, spoilt) for spoilt in spoiled(path)]
        wrong += [
            (old, changed(old_root, old), new, new_root, path),
            (old, old_root, new, changed(new_root, new), path),
        ]
        wrong += [(old + 1, old_root, new, new_root, path)]
        for question in wrong:
            assert not holds(*question)
            with pytest.raises(EvidenceRefused):
                merkle.check_consistency(*question)


def test_it_refuses_a_log_that_has_forked(ours: merkle.Hashes) -> None:
    growth = Growth(0, {})
    growth.take((*LEAVES[:700], LEAVES[701], *LEAVES[701:1500]))
    forked = hashes_in({place: bytes(tile) for place, tile in growth.changed.items()})

    for old in (701, 1024, 1400):
        assert not holds(old, merkle.root(old, ours), 1500, merkle.root(1500, forked), proof(forked, old, 1500))
        assert holds(old, merkle.root(old, forked), 1500, merkle.root(1500, forked), proof(forked, old, 1500))
