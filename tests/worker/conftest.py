"""The rig over a slow carrier, in a fresh database. At its end every change of state must have its event."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from relay.storage.database import Database
from tests.services.moves import watched_moves
from tests.services.rig import Rig, make_rig
from tests.worker.at_work import SlowCarrier


@pytest.fixture
def carrier() -> SlowCarrier:
    return SlowCarrier()


@pytest.fixture
async def rig(db: Database, carrier: SlowCarrier) -> AsyncIterator[Rig]:
    async with watched_moves(db):
        yield await make_rig(db, answers=httpx.MockTransport(carrier))
