"""What a sandbox remembers: written whole, read strictly, for its owner's eyes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from relay.core.errors import DataDirectoryRefused
from relay.sandbox.memory import Memory, recall, store

MEMORY = replace(Memory.new(), api_key="rk_one", audit_key="rk_two", clock_offset=3600.5)


def test_memory_comes_back_when_it_was_stored(tmp_path: Path) -> None:
    store(tmp_path, Memory.new())
    store(tmp_path, MEMORY)

    assert recall(tmp_path) == MEMORY
    assert [file.name for file in tmp_path.iterdir()] == ["sandbox.json"]


def test_credentials_are_new_when_nothing_is_remembered(tmp_path: Path) -> None:
    one, other = recall(tmp_path), recall(tmp_path / "missing")

    assert one != other
    assert list(tmp_path.iterdir()) == []


def test_file_is_its_owners_alone_when_stored(tmp_path: Path) -> None:
    store(tmp_path, MEMORY)

    assert (tmp_path / "sandbox.json").stat().st_mode & 0o777 == 0o600


def test_secrets_stay_out_when_a_memory_is_printed() -> None:
    assert MEMORY.auth_token not in repr(MEMORY)
    assert "rk_" not in repr(MEMORY)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"account_sid": "AC"}',
        json.dumps(asdict(MEMORY) | {"auth_token": None}),
        json.dumps(asdict(MEMORY) | {"clock_offset": "0"}),
    ],
)
def test_start_is_refused_when_the_file_is_no_memory(tmp_path: Path, content: str) -> None:
    (tmp_path / "sandbox.json").write_text(content)

    with pytest.raises(DataDirectoryRefused, match=r"sandbox\.json cannot be read"):
        recall(tmp_path)
