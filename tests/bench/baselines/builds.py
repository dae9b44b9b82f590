"""How each HTTP build is started. It reads its Settings from the environment and answers GET /healthz when it is ready."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.baselines.settings import KEEP_ALIVE

_HERE = __package__


@dataclass(frozen=True, slots=True)
class Build:
    """``command(port)`` is to be run from the checkout's folder; ``needs`` are the modules it imports from extra `bench`."""

    name: str
    command: Callable[[int], list[str]]
    needs: tuple[str, ...]


def _naive(_port: int) -> list[str]:
    return [sys.executable, "-m", f"{_HERE}.naive"]  # takes the port from its settings


def _http_alone(_port: int) -> list[str]:
    return [sys.executable, "-m", f"{_HERE}.http_alone"]


def _vendor(port: int) -> list[str]:
    # Threads, since a `sync` worker closes each connection after one answer, and waits for a slow carrier alone.
    workers = ("--workers=2", "--worker-class=gthread", "--threads=4", f"--keep-alive={KEEP_ALIVE}")
    listen = (f"--bind=127.0.0.1:{port}", "--no-control-socket")
    return [sys.executable, "-m", "gunicorn", *workers, *listen, f"{_HERE}.vendor:create_app()"]


NAIVE = Build("naive", _naive, needs=("python_multipart", "sniffio"))
VENDOR = Build("vendor", _vendor, needs=("flask", "gunicorn", "psycopg", "requests", "sqlalchemy"))
HTTP_ALONE = Build("http", _http_alone, needs=())  # no relay: it keeps nothing
BUILDS = (NAIVE, VENDOR)
