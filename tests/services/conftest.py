"""The rig, in a fresh database."""

from __future__ import annotations

import pytest

from relay.storage.database import Database
from tests.services.rig import Rig, make_rig


@pytest.fixture
async def rig(db: Database) -> Rig:
    return await make_rig(db)
