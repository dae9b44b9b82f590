"""``relay sandbox --tour``: the story holds, in time; and it ends where something goes otherwise."""

from __future__ import annotations

import base64
import hashlib
import io
import time
from typing import Any

import pytest
from rich.console import Console

from relay.sandbox.tour import tell
from relay.sandbox.tour_acts import ADA, BJORN
from relay.sandbox.tour_evidence import search
from relay.sandbox.tour_stage import Mistold, Place
from tests.sandbox.sandbox_process import descendants, is_running, running, started, until

pytestmark = pytest.mark.long

SHA256 = hashlib.sha256(BJORN.phone.encode()).hexdigest()


def test_every_step_holds_when_the_tour_is_told() -> None:
    began = time.monotonic()
    with started("--tour") as process:
        below = until(lambda: descendants(process.pid), bool, within=10)
        out, err = process.communicate(timeout=60)
        took = time.monotonic() - began
        print(f"the tour took {took:.1f} s in all")

    assert (process.returncode, err) == (0, ""), out
    assert [line.split(None, 1)[0] for line in out.splitlines() if line[:2].strip().isdigit()] == [
        str(n) for n in range(1, 12)
    ]
    assert "Every step held." in out
    assert "\x1b" not in out
    assert "verif" not in out.lower()
    assert took < 20
    assert not [pid for pid in below if is_running(pid)]


@pytest.mark.parametrize(
    ("weather", "where"),
    [
        ({"refuse": {BJORN.phone: 30007}}, "Björn's handset: expected [('in', '"),
        ({"drop_receipts": True}, "events: expected {"),
    ],
)
async def test_the_tour_ends_with_what_it_saw_when_something_goes_otherwise(
    weather: dict[str, Any], where: str
) -> None:
    said = io.StringIO()
    with running("--ephemeral") as sandbox:
        sandbox.http.put("/sandbox/weather", json=weather).raise_for_status()
        place = Place(sandbox.url, sandbox.document["api_key"], sandbox.document["database_url"], lambda: "")
        held = await tell(place, Console(file=said, highlight=False), patience=2)

    last = said.getvalue().splitlines()[-1]
    assert not held
    assert "It went otherwise." in last
    assert where in last
    assert "saw" in last
    assert "Every step held." not in said.getvalue()


def test_the_tour_ends_with_one_when_it_is_cut_short() -> None:
    with started("--tour") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
        out, err = process.communicate(timeout=20)

    assert first.startswith("Relay:")
    assert (process.returncode, err) == (1, "")
    assert "Every step held." not in out


@pytest.mark.parametrize(
    "left",
    [
        ADA.phone,
        ADA.phone[1:],
        "Meet me 🚪",
        "Meet me 🚪".encode().hex(),
        base64.b64encode(b"+46701740677").decode(),
        hashlib.md5(BJORN.phone[1:].encode(), usedforsecurity=False).hexdigest(),
        SHA256,
    ],
)
def test_the_search_tells_when_a_phone_or_a_text_was_left_somewhere(left: str) -> None:
    places = {"event": b"1\tses\n", "message": f"2\t{left}\n".encode()}

    with pytest.raises(Mistold, match=r"expected \[\], saw \['message'\]"):
        search(["STOP", "Meet me 🚪"], places)


def test_the_search_finds_nothing_when_only_keywords_and_numbers_are_there() -> None:
    search(["STOP", "Meet me 🚪"], {"number": b"+12025550101", "log": b"STOP START"})
