"""The command line as an operator has it: ``python -m relay ...`` in a process of its own, and what it answered."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

PROGRAM = [sys.executable, "-m", "relay"]
_PATIENCE = 30  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)

    @property
    def refusal(self) -> str:
        """The one line with which it refused."""
        assert (self.code, self.stdout) == (1, ""), self
        assert self.stderr.startswith("relay: "), self.stderr
        assert self.stderr.count("\n") == 1, self.stderr
        return self.stderr.strip()


@dataclass(frozen=True, slots=True)
class Command:
    """``relay`` with these settings and none of the surroundings'."""

    settings: Mapping[str, str]

    def __call__(self, *arguments: str, stdin: str = "") -> Answer:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, *arguments: str, typed: str = "") -> Answer:
        """Run it on a terminal of 200 columns, where stdout and stderr are one; the line ends are the terminal's."""
        ours, theirs = pty.openpty()
        environment = self.environment() | {"TERM": "xterm-256color", "COLUMNS": "200"}
        with subprocess.Popen(
            [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        ) as process:
            os.close(theirs)
            os.write(ours, typed.encode())
            shown = b""
            with suppress(OSError):  # Linux says EIO when the last one has left the terminal
                while more := os.read(ours, 65536):
                    shown += more
            code = process.wait(_PATIENCE)
        os.close(ours)
        return Answer(code, shown.decode(), "")

    def environment(self) -> dict[str, str]:
        """What the process gets: none of our own settings but for where PostgreSQL's programs are."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("RELAY_") and name != "COLUMNS"
        }
        programs = {name: value for name, value in os.environ.items() if name == "RELAY_PG_BIN"}
        return {**kept, **programs, **self.settings}

    def having(self, **settings: str) -> Command:
        """The same with other settings: ``having(RELAY_KEYRING="/elsewhere")``."""
        return Command({**self.settings, **settings})
