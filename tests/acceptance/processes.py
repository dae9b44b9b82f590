"""Real processes for acceptance tests: the simulated carrier, ``relay`` in any of its forms, and what they say.

Everything listens on loopback, writes its log to a file and is gone when the block is left.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ACCOUNT_SID = "AC" + "a" * 32
AUTH_TOKEN = "5e1f" * 8
START_WITHIN = 30.0


@dataclass(slots=True)
class Process:
    """A child process whose stderr goes to ``log``."""

    child: subprocess.Popen[str]
    log: Path

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.child.send_signal(number)
        self.child.wait(30)
        self._close()

    def stop(self) -> int:
        """End it as an operator would; returns its exit code."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            code = self.child.wait(30)
            self._close()
            return code
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise AssertionError("a process did not end when it was told to") from None

    def _close(self) -> None:
        if self.child.stdout is not None:
            self.child.stdout.close()

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait for a log line."""
        lines: list[dict[str, Any]] = []

        def look() -> bool:
            lines[:] = [line for line in self.lines() if line.get("event") == event]
            return bool(lines)

        await until(look, self)
        return lines[0]


async def until(look: Callable[[], Any], alive: Process | None = None, *, within: float = START_WITHIN) -> Any:
    """Look until there is something. Fails when the process that should bring it about has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        if alive is not None and alive.child.poll() is not None:
            raise AssertionError(f"it ended with {alive.child.returncode}:\n{alive.log.read_text()[-3000:]}")
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time" + (f":\n{alive.log.read_text()[-3000:]}" if alive else ""))


def start(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start ``python ...`` with a clean set of RELAY_ settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    if "RELAY_PG_BIN" in os.environ:
        inherited["RELAY_PG_BIN"] = os.environ["RELAY_PG_BIN"]
    with log.open("a") as stderr:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**inherited, **(environment or {})},
        )
    return Process(child, log)


async def first_line(process: Process) -> dict[str, Any]:
    """The line of JSON that a program prints when it is ready."""
    assert process.child.stdout is not None
    line = await asyncio.wait_for(asyncio.to_thread(process.child.stdout.readline), START_WITHIN)
    assert line, f"it ended without a word:\n{process.log.read_text()[-3000:]}"
    document: dict[str, Any] = json.loads(line)
    return document


@asynccontextmanager
async def running_carrier(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The simulated carrier; yields a client of its control routes."""
    process = start(
        ["-m", "relay.sandbox.carrier", "--port", "0", "--account-sid", ACCOUNT_SID],
        folder / "carrier.log",
        {"CARRIER_AUTH_TOKEN": AUTH_TOKEN},
    )
    try:
        url = (await first_line(process))["url"]
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield client
    finally:
        process.stop()


@asynccontextmanager
async def running_sandbox(folder: Path, *, launcher: Sequence[str] = ("-m", "relay")) -> AsyncIterator[dict[str, Any]]:
    """``relay sandbox``; yields what it says about itself, with its ``process``."""
    process = start(
        [*launcher, "sandbox", "--json", "--no-browser", "--port", "0"],
        folder / "sandbox.log",
        {"RELAY_DATA_DIR": str(folder / "data")},
    )
    try:
        yield {**await first_line(process), "process": process}
    finally:
        process.stop()
