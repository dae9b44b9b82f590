"""``relay keyring``."""

from __future__ import annotations

from pathlib import Path

from relay.vault import keyring_file
from tests.cli.command import Command


def test_keyring_is_made_for_its_owner_alone_and_never_made_twice(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "keyring.json"
    made = Command({})("keyring", "make", str(path))
    first = path.read_bytes()
    again = Command({}).inside("keyring", "make", str(path))

    assert (made.code, made.stdout) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert keyring_file.load(path).answers()
    assert "exists already and is never written over" in again.refusal
    assert path.read_bytes() == first


def test_keyring_is_refused_when_it_cannot_be_written(tmp_path: Path) -> None:
    refusal = Command({}).inside("keyring", "make", str(tmp_path / ("x" * 300))).refusal

    assert " cannot be written: " in refusal
