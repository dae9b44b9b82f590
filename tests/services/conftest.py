"""The rig, in a fresh database. Whatever a test did with it, at its end every change of state must have its event."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relay.storage.database import Database
from tests.services.moves import watched_moves
from tests.services.rig import Rig, make_rig


@pytest.fixture
async def rig(db: Database) -> AsyncIterator[Rig]:
    async with watched_moves(db):
        yield await make_rig(db)
