"""The measured export, small: what it measures is the product, and works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.evidence import evidence


@pytest.mark.long
async def test_a_filled_log_is_exported_and_verified(tmp_path: Path) -> None:
    said: list[str] = []
    exported, verified, alone = await evidence(tmp_path, said.append, 1000)

    assert [*exported.broken, *verified.broken] == []
    assert verified.notes["said"].startswith("verified: 100")  # the server may have sealed one of its own by then
    assert [result.rate > 0 for result in (exported, verified, alone)] == [True] * 3
    assert len(said) == 4
