"""What PostgreSQL alone could do: a relay's database work, driven by pgbench, without a relay.

The tables are those that ``furnish`` makes. Only what pgbench prints is read here.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_TPS = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Script:
    """``messages``: how many go through the whole cycle in one run of the file."""

    file: str
    messages: int


CYCLE = Script("cycle.sql", messages=1)
CYCLE_50 = Script("cycle_50.sql", messages=50)


class PgbenchFailed(Exception):
    """pgbench did not end well; the text is what it said, without the rows that PostgreSQL quotes in its DETAIL."""


def pgbench(dsn: str, script: Script, *, clients: int, seconds: int, binaries: Path, warm_seconds: int = 2) -> float:
    """Messages per second through the whole cycle, at so many connections; what comes first for so long is not counted.

    ``binaries`` is the folder of PostgreSQL's programs. Blocks. Raises PgbenchFailed.
    """
    command = [str(binaries / "pgbench"), "--no-vacuum", "--protocol=prepared", "--define=pairs=0"]
    command += [f"--client={clients}", f"--jobs={min(clients, _THREADS)}"]
    command += [f"--file={Path(__file__).with_name(script.file)}"]
    _run([*command, f"--time={warm_seconds}", dsn])
    return script.messages * _run([*command, f"--time={seconds}", dsn])


def _run(command: list[str]) -> float:
    environment = {"PATH": os.defpath, "LC_ALL": "C"}  # PGOPTIONS or PGPORT would change what is measured
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = _TPS.search(done.stdout)
    if done.returncode != 0 or found is None:
        raise PgbenchFailed("\n".join(line for line in done.stderr.splitlines() if not line.startswith("DETAIL")))
    return float(found[1])
