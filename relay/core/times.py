"""How a time is written for whoever reads it outside."""

from __future__ import annotations

from datetime import datetime


def written(at: datetime | None) -> str | None:
    """RFC 3339, UTC, whole seconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
