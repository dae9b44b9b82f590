"""A sandbox as a user starts it: ``relay sandbox`` as a process, and clients for what it serves.

No assertions here. Every process that was started is ended, whatever the test did.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
RIDER, DRIVER = "+12025550177", "+46701740677"
_ENDS_WITHIN = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that is ready. ``http`` has no key, ``api`` has the one with every scope."""

    process: subprocess.Popen[str]
    document: dict[str, Any]
    http: httpx.Client
    api: httpx.Client

    @property
    def url(self) -> str:
        return str(self.document["url"])

    def open(self, one: str = RIDER, other: str = DRIVER) -> tuple[str, str, str]:
        """Open a session; returns its id and the number that each of the two texts."""
        people = [{"phone": one, "label": "rider"}, {"phone": other, "label": "driver"}]
        answer = self.api.post("/v1/sessions", json={"participants": people}).raise_for_status().json()
        return answer["id"], *(seat["proxy_number"] for seat in answer["participants"])

    def text(self, sender: str, number: str, text: str) -> dict[str, Any]:
        """A person's phone texts a number."""
        told = {"from": sender, "to": number, "text": text}
        return dict(self.http.post("/sandbox/texts", json=told).raise_for_status().json())

    def handset(self, phone: str) -> list[tuple[str, str, str]]:
        """What a handset shows: direction, peer, text."""
        shown = self.http.get(f"/sandbox/phones/{phone}").raise_for_status().json()
        return [(line["direction"], line["peer"], line["text"]) for line in shown]

    def kept(self, session: str) -> dict[str, Any]:
        return dict(self.http.get(f"/sandbox/kept/{session}").raise_for_status().json())

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(_ENDS_WITHIN)


@contextmanager
def started(*arguments: str, env: Mapping[str, str] | None = None, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """The command, with its output in pipes; ended at the latest with this block. Settings around us are not for it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    command = [sys.executable, "-m", "relay", "sandbox", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=inherited | dict(env or {}), **pipes | more) as process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def running(*arguments: str, env: Mapping[str, str] | None = None, log: Path | None = None) -> Iterator[Running]:
    """A ready sandbox on a free port; ``log`` takes what it writes to stderr."""
    with ExitStack() as opened:
        stderr = opened.enter_context(log.open("w")) if log else None
        process = opened.enter_context(started("--json", "--port", "0", *arguments, env=env, stderr=stderr))
        yield from _clients(process)


def _clients(process: subprocess.Popen[str]) -> Iterator[Running]:
    assert process.stdout is not None
    document = json.loads(process.stdout.readline())
    bearer = {"authorization": f"Bearer {document['api_key']}"}
    with (
        httpx.Client(base_url=document["url"], trust_env=False, timeout=20) as http,
        httpx.Client(base_url=document["url"], trust_env=False, timeout=20, headers=bearer) as api,
    ):
        yield Running(process, document, http, api)


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run (Linux)."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []


def descendants(pid: int) -> list[int]:
    """Its children, theirs, and so on."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def watched(process: subprocess.Popen[str]) -> set[int]:
    """Wait until it has ended; returns every process that it was seen to have started."""
    seen: set[int] = set()
    while process.poll() is None:
        seen |= set(descendants(process.pid))
        time.sleep(0.005)
    return seen


def is_running(pid: int) -> bool:
    """Whether this process still does anything; one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(look: Callable[[], T], right: Callable[[T], bool], *, within: float = 5.0) -> T:
    """Look until it is right, or as it is when time is over; the test's assert says the rest."""
    last = time.monotonic() + within
    while not right(seen := look()) and time.monotonic() < last:
        time.sleep(0.02)
    return seen
