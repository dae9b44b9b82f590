"""A proof of inclusion as a text: what is written is read and holds, and nothing that was touched does."""

from __future__ import annotations

import random

import pytest

from relay.core import merkle
from relay.core.errors import EvidenceRefused
from relay.core.inclusion import InclusionProof, check_proof, parse_proof
from relay.core.merkle import leaf_hash
from relay.core.notes import Checkpoint, Note, signed
from tests.core.test_notes import LOG, LOG_KEY, WITNESS_KEY, verify
from tests.core.trees import defined_path, defined_root, leaves

LEAVES = leaves(50)
INDEX = 33


def proof_of(index: int, origin: str = LOG_KEY.name) -> InclusionProof:
    head = Checkpoint(origin, len(LEAVES), defined_root(LEAVES))
    return InclusionProof(
        index, tuple(defined_path(index, LEAVES)), Note(head.text(), (signed(head.text(), LOG_KEY, LOG.sign),))
    )


def check(text: str, leaf: bytes = LEAVES[INDEX]) -> None:
    check_proof(parse_proof(text), leaf, LOG_KEY.name, LOG_KEY, verify)


@pytest.mark.parametrize("index", [0, INDEX, 49])
def test_a_proof_holds_when_it_is_read_again(index: int) -> None:
    text = proof_of(index).written()

    assert parse_proof(text) == proof_of(index)
    check(text, LEAVES[index])


def test_a_proof_begins_as_specified() -> None:
    first, second, third, *_ = proof_of(INDEX).written().split("\n")

    assert (first, second, len(third)) == ("c2sp.org/tlog-proof@v1", "index 33", 44)


def test_extra_data_proves_nothing_and_does_no_harm() -> None:
    check(proof_of(INDEX).written().replace("index", "extra eHg=\nindex"))


def test_the_only_leaf_of_a_tree_has_an_empty_path() -> None:
    head = Checkpoint(LOG_KEY.name, 1, merkle.root(1, lambda *_: leaf_hash(b"x")))
    text = InclusionProof(0, (), Note(head.text(), (signed(head.text(), LOG_KEY, LOG.sign),))).written()

    check(text, b"x")


def test_no_proof_holds_that_was_touched() -> None:
    written, chance = proof_of(INDEX).written().encode(), random.Random(7)
    for place in chance.sample(range(len(written) * 8), 1000):
        touched = bytearray(written)
        touched[place // 8] ^= 1 << place % 8
        with pytest.raises((EvidenceRefused, UnicodeDecodeError)):
            check(touched.decode())


def test_a_proof_of_something_else_does_not_hold() -> None:
    with pytest.raises(EvidenceRefused):
        check(proof_of(INDEX).written(), LEAVES[INDEX + 1])
    with pytest.raises(EvidenceRefused):
        check(proof_of(INDEX, origin="relay.example/log/acc_2").written())
    with pytest.raises(EvidenceRefused):
        check_proof(proof_of(INDEX), LEAVES[INDEX], LOG_KEY.name, WITNESS_KEY, verify)


GOOD = proof_of(INDEX).written()
BAD = {
    "nothing": "",
    "another version": GOOD.replace("@v1", "@v2"),
    "no index": GOOD.replace("index 33\n", ""),
    "zeros in front": GOOD.replace("index 33", "index 033"),
    "a sign": GOOD.replace("index 33", "index -33"),
    "a short hash": GOOD.replace("index 33\n", "index 33\nAAAA\n"),
    "too deep": GOOD.replace("index 33\n", "index 33\n" + "A" * 43 + "=\n" * 1 + ("A" * 43 + "=\n") * 64),
    "no checkpoint": GOOD.partition("\n\n")[0] + "\n\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(EvidenceRefused):
        parse_proof(text)
