"""The console over a fresh installation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from relay.storage.database import Database
from tests.api.rig import Log, caught_log
from tests.services.rig import Rig, make_rig
from tests.web.browser import PUBLIC_URL, Browser, browser


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """Every line that is written during the test."""
    with caught_log() as log:
        yield log


@pytest.fixture
async def rig(db: Database) -> Rig:
    return await make_rig(db, public_url=PUBLIC_URL)


@pytest.fixture
async def somebody(rig: Rig) -> AsyncIterator[Browser]:
    """A browser that was never here."""
    async with browser(rig) as fresh:
        yield fresh
