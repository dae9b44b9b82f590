"""The command line as an operator has it: ``python -m relay ...`` in a process of its own, and what it answered.

A process costs most of a second, so where a test is about words alone the same command runs ``inside`` the test's.
"""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from typer.testing import CliRunner

from relay.cli import app

PROGRAM = [sys.executable, "-m", "relay"]
_PATIENCE = 30  # seconds
_PROMPT = re.compile(rb"(^|\n)[a-z_]+: $")


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
        """The one line with which it refused, and nothing else."""
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

    def inside(self, *arguments: str, stdin: str = "") -> Answer:
        """Run it in this process."""
        foreign = {name: None for name in os.environ if name.startswith("RELAY_")}
        with _logging_as_it_was():
            done = CliRunner().invoke(app, arguments, input=stdin, env={**foreign, **self.environment()})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Answer(done.exit_code, done.stdout, done.stderr)

    def on_terminal(self, *arguments: str, typed: Sequence[str] = ()) -> Answer:
        """Run it on a terminal of 200 columns, where stdout and stderr are one; type a line whenever one is asked for."""
        ours, theirs = pty.openpty()
        environment = self.environment() | {"TERM": "xterm-256color", "COLUMNS": "200"}
        with subprocess.Popen(
            [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        ) as process:
            os.close(theirs)
            shown = _talk(ours, list(typed))
            code = process.wait(_PATIENCE)
        os.close(ours)
        return Answer(code, shown, "")

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


def _talk(terminal: int, lines: list[str]) -> str:
    """Read what a program shows until it leaves; answer each prompt, a line that is a field's name and a colon."""
    shown = b""
    while select.select([terminal], [], [], _PATIENCE)[0]:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # how Linux says that the last one has left the terminal
            return shown.decode()
        if lines and _PROMPT.search(shown):
            os.write(terminal, lines.pop(0).encode() + b"\n")
    raise AssertionError(f"it waits for something: {shown.decode()}")


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """A command sets logging up for its process; this one goes on to other tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers = handlers
        root.setLevel(level)
