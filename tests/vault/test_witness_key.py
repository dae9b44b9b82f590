"""A witness's key, in a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.core.errors import OperatorMistake
from relay.core.notes import KeyType, Note, cosigned, parse_key, proven
from relay.vault import witness_key
from relay.vault.log_keys import verify

NAME = "auditor.example/witness"
HEAD = "relay.example/log/acc_x\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def test_what_it_signs_is_proven_by_its_public_half_when_it_was_read_back(tmp_path: Path) -> None:
    made = witness_key.make(tmp_path / "key", NAME)
    read = witness_key.load(tmp_path / "key")
    note = Note(HEAD, (cosigned(HEAD, read.key, read.sign, 1_763_750_000),))

    (found,) = proven(note, [parse_key(made.key.written())], verify)

    assert (found.key.type, found.at) == (KeyType.COSIGNATURE, 1_763_750_000)


@pytest.mark.parametrize("name", ["", "with blank", "with+plus", "with\nline"])
def test_a_name_is_refused_when_no_note_could_bear_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorMistake, match="neither blanks nor"):
        witness_key.make(tmp_path / "key", name)
    assert not (tmp_path / "key").exists()


def test_a_key_is_refused_when_others_can_read_it(tmp_path: Path) -> None:
    witness_key.make(tmp_path / "key", NAME)
    (tmp_path / "key").chmod(0o640)

    with pytest.raises(OperatorMistake, match="can be read by others"):
        witness_key.load(tmp_path / "key")


def test_a_file_is_refused_when_it_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    witness_key.make(path, NAME)
    right = path.read_bytes()
    wrong = [
        b"",
        b"\xff",
        right[:-5],
        right * 2,
        right.replace(b"witness", b"another"),
        right.replace(b"PRIVATE", b"PUBLIC"),
        right[:-10] + b"!" + right[-9:],
    ]
    for text in wrong:
        path.write_bytes(text)
        with pytest.raises(OperatorMistake, match="is no key of a witness"):
            witness_key.load(path)


def test_no_secret_is_in_what_is_said_of_a_broken_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    witness_key.make(path, NAME)
    secret = path.read_text().split("+")[-1].strip()
    path.write_text(path.read_text()[:-2])

    with pytest.raises(OperatorMistake) as refused:
        witness_key.load(path)
    assert secret[:10] not in str(refused.value)
