"""The rig, in a fresh database. At its end every change of state must have its event."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relay.storage.database import Database
from tests.services.moves import check_moves, watch_moves
from tests.services.rig import Rig, make_rig


@pytest.fixture
async def rig(db: Database) -> AsyncIterator[Rig]:
    await watch_moves(db)
    yield await make_rig(db)
    await check_moves(db)
