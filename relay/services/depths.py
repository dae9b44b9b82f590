"""How much waits to leave, for the metrics: counted bucket by bucket, shown as one sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay import metrics
from relay.storage import outbox
from relay.storage.database import Database
from relay.storage.outbox import Depth

_CURRENT = timedelta(seconds=30)  # what was counted earlier belongs to another process by now
PHASES = ("queued", "sending", "unresolved", "parked", "scheduled")


@dataclass(frozen=True, slots=True)
class Depths:
    database: Database
    _seen: dict[int, tuple[datetime, Sequence[Depth]]] = field(default_factory=dict)

    async def measure(self, bucket: int) -> int:
        """Count one bucket and show the sums of all that this process has counted. Always says 0: nothing is left to do."""
        async with self.database.single() as tx:
            now = tx.now
            self._seen[bucket] = (now, await outbox.depth(tx, bucket))
        current = [depths for at, depths in self._seen.values() if now - at < _CURRENT]
        for phase in PHASES:
            self._show(phase, [depth for depths in current for depth in depths if depth.phase == phase], now)
        return 0

    def _show(self, phase: str, here: Sequence[Depth], now: datetime) -> None:
        metrics.waiting.labels(phase).set(sum(depth.rows for depth in here))
        oldest = min((depth.oldest for depth in here), default=now)
        metrics.oldest.labels(phase).set(max(0.0, (now - oldest).total_seconds()))
