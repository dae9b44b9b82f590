"""The simulated carrier as a child process: started, waited for, ended.

It is a process of its own because it is the outside world. It is given nothing but its credentials, and those through the
environment, since arguments show in ``ps``. The danger is a carrier that outlives us, killed before it could even ask to be
ended with its parent. So on Linux that is asked for it, and ``start`` belongs in the main thread: it ends with that thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from relay.children import end_with_parent
from relay.core.errors import OperatorMistake
from relay.sandbox.memory import Memory

_READY_WITHIN = 15.0  # seconds
_ENDS_WITHIN = 5.0


class Child:
    """A carrier that is starting or running; leaving its ``with`` ends it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    def start(cls, memory: Memory) -> Self:
        """Start it; it needs a moment to be ready."""
        # -P: a folder called relay where the user happens to be is not this package.
        command = [sys.executable, "-P", "-m", "relay.sandbox.carrier", "--account-sid", memory.account_sid]
        process = subprocess.Popen(  # noqa: S603 - our own module, arguments of ours, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={"CARRIER_AUTH_TOKEN": memory.auth_token, "PATH": os.defpath},
            start_new_session=True,  # Ctrl-C in the terminal is for us: the carrier goes last
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
        return cls(process)

    async def address(self) -> str:
        """Where it listens, once it does. Raises OperatorMistake when it does not come to that."""
        said = b""
        if self._process.stdout is not None:
            try:
                said = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), _READY_WITHIN)
            except TimeoutError:
                self._process.kill()  # so that the thread's wait ends too
        if not said:
            raise OperatorMistake("the simulated carrier did not start; what it said stands above")
        return str(json.loads(said)["url"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
