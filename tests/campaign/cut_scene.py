"""The exhaustive cut as a scene: a server of its own, every scenario that was chosen, one line of figures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from relay import logs
from relay.storage.embedded import start_embedded
from tests.campaign.cut import cut_everywhere
from tests.campaign.outcome import Outcome
from tests.campaign.world import binaries


async def cut(folder: Path, names: Sequence[str]) -> Outcome:
    """Break the database's line in front of every message of these scenarios."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    # Nothing crashes this server, so it need not write through.
    quick = {"fsync": "off", "full_page_writes": "off"}
    with (
        (folder / "log").open("w") as log,
        start_embedded(folder / "postgres", binaries=binaries(), settings=quick) as server,
    ):
        logs.configure(stream=log)
        try:
            tellings = await cut_everywhere(server.dsn, names)
        finally:
            logs.configure()
    figures = "; ".join(f"{told.name} {told.reached} of {told.wanted}" for told in tellings)
    unseen = sum(count for told in tellings for loss, count in told.losses.items() if loss == "unseen")
    wrong = [violation for told in tellings for violation in told.violations]
    return Outcome(f"{figures} positions, each twice; {unseen} commits whose answer was lost", wrong)
