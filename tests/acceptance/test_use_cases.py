"""The pages of ``docs/use-cases``: their code runs as it stands against one sandbox, and prints what it is there to show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.sandbox_process import Running, running

pytestmark = pytest.mark.long

PAGES = Path(__file__).parents[2] / "docs" / "use-cases"
PRINTED = {
    "ride": [
        *("open ['driver', 'rider']", "platform True", "driver reads it: True"),
        *("closed api", "2 True", "False"),
    ],
    "delivery": [
        *("enough: True", "['recipient', 'courier']", "3 sessions, 3 numbers on the courier's phone"),
        *("true True", "True", "409 session_closed"),
    ],
    "rental": [
        *("422 ['missing', 'missing']", "2 proved", "open {'item': 'camera'}", "422 verification_token_invalid"),
        *("closed erased {}", "something stays, each with a reason: True"),
    ],
    "support-desk": [
        *("Lamp & Co support", "customer agent False", "customer reads it: True", "help is answered: True"),
        *("True 409 participant_opted_out", "False", "api"),
    ],
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running("--ephemeral", "--no-browser") as ready:
        yield ready


def program(page: str) -> str:
    """All of a page's code, in order."""
    return "\n".join(
        re.findall(r"^```python\n(.*?)^```$", (PAGES / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)
    )


def test_every_page_is_tried_when_there_are_pages() -> None:
    assert sorted(PRINTED) == sorted(page.stem for page in PAGES.glob("*.md"))


@pytest.mark.parametrize("page", [*PRINTED, "ride", "rental"])
def test_a_page_s_code_does_what_it_says_when_it_runs_as_it_stands_and_again(sandbox: Running, page: str) -> None:
    environment = {**os.environ, "RELAY_URL": sandbox.url, "RELAY_KEY": sandbox.document["api_key"]}
    run = subprocess.run(
        [sys.executable, "-c", program(page)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == PRINTED[page]
