"""Structured logs through which no personal data can slip: one JSON object per line, declared fields only.

``note("event", field=value)`` writes a line. A field that is not declared below is left out and its name is listed under
``undeclared``. Lines of other libraries are kept to who speaks, how urgently and which kind of error it is: what they say
may quote what somebody sent.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any
from uuid import UUID

import structlog

#: field -> the longest text it may hold. Numbers, booleans and ids are always short.
DECLARED: Mapping[str, int] = {
    "account": 40,
    "address": 60,  # host and port that this process listens on
    "attempts": 10,
    "bucket": 10,
    "buckets": 10,
    "code": 60,
    "connection": 40,
    "count": 10,
    "epoch": 20,
    "error": 60,  # the name of an exception's class
    "event": 60,
    "key": 40,
    "kind": 30,
    "level": 10,
    "library": 40,
    "message": 40,
    "method": 8,
    "migrations": 10,
    "ms": 12,
    "number": 40,  # its id
    "pid": 10,
    "pool": 40,
    "provider": 20,
    "reason": 40,
    "request": 64,
    "role": 20,
    "route": 80,  # the pattern, never the path
    "seconds": 12,
    "session": 40,
    "state": 20,
    "status": 5,
    "step": 40,
    "timestamp": 40,
    "undeclared": 200,
    "version": 20,
    "where": 120,  # module:line in our own code
}

_log: Any = structlog.get_logger()


def note(event: str, *, level: str = "info", **fields: object) -> None:
    """Write one line. ``event`` is a constant of ours, never something that came from outside."""
    getattr(_log, level)(event, **fields)


def trouble(event: str, error: BaseException, **fields: object) -> None:
    """Write one line about an exception: its class and where in our code it came from, never its words."""
    note(event, level="error", error=type(error).__name__, where=_where(error), **fields)


def configure(*, level: str = "info", stream: Any = None) -> None:
    """Send everything to a stream as JSON, from ``level`` on. Our own lines and other libraries' alike."""
    out = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_declared,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Foreign()]
    root.setLevel(max(threshold, logging.WARNING))


def only_declared(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep declared fields, bounded and free of control characters; list the names of the others."""
    kept = {name: _bounded(fields[name], DECLARED[name]) for name in fields if name in DECLARED}
    others = sorted(name for name in fields if name not in DECLARED)
    if others:
        kept["undeclared"] = _bounded(",".join(others), DECLARED["undeclared"])
    return kept


def _bounded(value: object, longest: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value) if isinstance(value, str | UUID) else type(value).__name__
    return "".join(c if c.isprintable() else "?" for c in text[:longest])


def _where(error: BaseException) -> str:
    place, frame = "", error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_globals.get("__name__", "")
        if module.startswith("relay"):
            place = f"{module}:{frame.tb_lineno}"
        frame = frame.tb_next
    return place


class _Foreign(logging.Handler):
    """Lines of other libraries: who and how urgently, never what."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        level = "error" if record.levelno >= logging.ERROR else "warning"
        note("library", level=level, library=record.name, error=error)
