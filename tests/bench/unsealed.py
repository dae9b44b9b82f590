"""``python -m tests.bench.unsealed ...`` is ``relay ...`` without an audit log: to see what sealing events costs."""

from __future__ import annotations

from typing import Any

from relay.cli import main
from relay.services.audit_log import AuditLog


async def _nothing(_: Any, bucket: int) -> int:
    del bucket
    return 0


for _name in ("seal", "sweep"):
    setattr(AuditLog, _name, _nothing)
main()
