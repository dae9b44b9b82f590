"""``python -m tests.services.streamed DSN EXPORT``: what it takes of a process to make one pack as it is sent, as JSON.

``peak``: bytes that Python held at most; ``longest``: seconds in which the event loop did nothing else; ``sent``: bytes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import tracemalloc
from uuid import UUID

from relay.evidence.streaming import PackStream
from relay.services.audit_exports import AuditExports
from relay.storage import database


async def main(dsn: str, export_id: UUID) -> dict[str, float]:
    db = await database.connect(dsn, connections=2)
    exports = AuditExports(db)
    export = await exports.linked(export_id)
    watch = asyncio.create_task(_longest_pause())
    tracemalloc.start()
    sent = 0
    with PackStream(await exports.contents(export)) as pack:
        async for _ in exports.fill(export, pack):
            sent += len(pack.taken())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    watch.cancel()
    (longest,) = await asyncio.gather(watch)
    await db.close()
    return {"peak": peak, "longest": longest, "sent": sent}


async def _longest_pause() -> float:
    longest, last = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], UUID(sys.argv[2])))))
