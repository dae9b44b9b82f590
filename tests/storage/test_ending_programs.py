"""How a program is ended: in order if it listens, at once if it does not, by force if it hears nothing; once is enough."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from relay.storage.postgres_programs import end

# Waits for its input, deaf to the signals named; SIGQUIT would leave a core file behind.
_PROGRAM = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.signal(signal.SIGINT, signal.SIG_DFL)
for name in sys.argv[1:]:
    signal.signal(signal.Signals[name], signal.SIG_IGN)
print(flush=True)
input()
"""


@pytest.mark.parametrize(
    ("deaf_to", "ended_by"),
    [([], signal.SIGINT), (["SIGINT"], signal.SIGQUIT), (["SIGINT", "SIGQUIT"], signal.SIGKILL)],
)
def test_program_is_ended_by_the_first_signal_that_it_hears(deaf_to: list[str], ended_by: signal.Signals) -> None:
    patience = timedelta(milliseconds=600) if deaf_to else timedelta(seconds=20)
    command = [sys.executable, "-c", _PROGRAM, *deaf_to]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        end(process, patience=patience)

    assert process.returncode == -ended_by


def test_nothing_happens_when_the_program_has_ended_before() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        process.wait()
        end(process)

    assert process.returncode == 3
