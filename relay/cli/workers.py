"""``relay serve --workers N``: so many processes behind one port, and a parent that does nothing but keep them running.

The parent opens the port and, where there is no other, the embedded server; each child is a whole ``relay serve``. A child
that ends is started again. What was in its hands is taken over by the others, as after any death.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from relay import logs, metrics
from relay.children import end_with_parent
from relay.cli.running import until_stopped
from relay.settings import Settings, for_child

_PAUSES = (0.2, 1.0, 5.0, 20.0)  # seconds before a child that died young is started again
_YOUNG = 10.0  # seconds
_LAST_WORD = 10.0  # seconds after the longest drain


class Workers:
    """The children. ``command`` is what each of them runs."""

    def __init__(self, settings: Settings, command: Sequence[str], *, listener: socket.socket, dsn: str) -> None:
        self._settings = settings
        self._command = command
        self._listener = listener
        self._dsn = dsn

    async def run(self, count: int) -> None:
        """Keep ``count`` children running until SIGTERM or SIGINT, then end them in order."""
        with tempfile.TemporaryDirectory(prefix="relay-figures-") as folder:
            async with until_stopped() as stopped:
                children = [asyncio.create_task(self._keep(stopped, folder)) for _ in range(count)]
                await stopped.wait()
                logs.note("stopping")
                await asyncio.gather(*children)
        logs.note("stopped")

    async def _keep(self, stopped: asyncio.Event, folder: str) -> None:
        """One child at a time, for as long as we run."""
        loop, failures = asyncio.get_running_loop(), 0
        while not stopped.is_set():
            began = loop.time()
            child = await self._start(folder)
            ended = await self._wait(child, stopped)
            metrics.forget(child.pid, folder)
            if stopped.is_set():
                return
            logs.note("worker_process_ended", level="warning", status=ended, pid=child.pid)
            failures = failures + 1 if loop.time() - began < _YOUNG else 0
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), _PAUSES[min(failures, len(_PAUSES) - 1)])

    async def _start(self, folder: str) -> asyncio.subprocess.Process:
        port = self._listener.fileno()
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            "--listener",
            str(port),
            pass_fds=(port,),
            start_new_session=True,  # Ctrl-C in a terminal is for the parent to act on
            preexec_fn=end_with_parent(signal.SIGTERM),
            env=for_child(
                RELAY_DATABASE_URL=self._dsn,
                RELAY_KEYRING=str(self._settings.keyring_path),
                PROMETHEUS_MULTIPROC_DIR=folder,
            ),
        )

    async def _wait(self, child: asyncio.subprocess.Process, stopped: asyncio.Event) -> int:
        """Until it ends by itself, or we are told to stop and end it."""
        ends, told = asyncio.create_task(child.wait()), asyncio.create_task(stopped.wait())
        await asyncio.wait((ends, told), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not ends.done():
            child.terminate()
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(ends), self._settings.drain_within + _LAST_WORD)
            child.kill()
        return await ends
