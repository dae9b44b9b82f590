"""The story's last acts: what the events say, what the tables and the log hold, and that nobody's phone or words are in them.

The tables are read straight from the database, the one thing here that does not go over HTTP. What is searched for is every
phone and every text of the story, as itself and in the spellings that a careless program would leave behind. A plain hash
of a phone counts as the phone: all phones there are can be hashed in minutes.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from relay.sandbox.tour_acts import ADA, BJORN, OTHERS, Plot
from relay.sandbox.tour_stage import Place, expect
from relay.storage.panel import copies

#: Everybody may say these, and they stand in our own code's words too.
KEYWORDS = frozenset({"STOP", "START"})
#: How many states a message has been in by the time it is in this one; each is one event.
_STEPS = {"refused": 1, "delivered": 3}


async def the_events(plot: Plot) -> None:
    stage, teller = plot.stage, plot.teller
    teller.act(
        "What the relay says happened", "Every change of state leaves one event, written with the change itself."
    )

    async def look() -> dict[str, int]:
        return dict(sorted(Counter(kind for kind, _ in (await _events(plot)).values()).items()))

    await stage.soon(look, what="events", expected=dict(sorted(stage.changes.items())))
    teller.table({kind: str(count) for kind, count in sorted(stage.changes.items())})
    teller.held(
        f"{stage.changes.total()} changes of state in this story, {stage.changes.total()} events, none missing or doubled"
    )
    by_message = Counter(message for _, message in (await _events(plot)).values() if message)
    states = await _states(plot)
    expect("events of each message", expected={m: _STEPS.get(s) for m, s in states.items()}, saw=dict(by_message))
    teller.held(f"that is so for each of its {len(states)} messages, one by one")


async def what_is_kept(plot: Plot, place: Place) -> None:
    teller, tables = plot.teller, await copies(place.database_url)
    teller.act("What the relay keeps", "The tables as they stand now, while Ada's ten rides are still open.")
    sealed = [row for row in rows(tables["participant"]) if b"\tlive\t" in row]
    teller.table(
        {
            "sessions": f"{len(rows(tables['session']))}, of which 10 are open",
            "sealed phones": f"{len(sealed)}, two for each open session",
            "messages": f"{len(rows(tables['message_default']))} rows of metadata, none with a text",
            "outbox": f"{len(rows(tables['outbox']))} rows: a sealed text is deleted when it has left",
            "events": f"{len(rows(tables['event_default']))}",
        }
    )
    expect("sealed phones", expected=20, saw=len(sealed))
    expect("rows in the outbox", expected=0, saw=len(rows(tables["outbox"])))
    number = plot.number_of(ADA).encode()
    expect(
        "tables with Ada's number, which is no secret",
        expected=["number"],
        saw=[t for t in tables if number in tables[t]],
    )
    search(plot.stage.said, {**tables, "the log": place.log().encode()})
    size = sum(map(len, tables.values()))
    teller.held(
        f"{len(tables)} tables ({size // 1000} kB) and the log ({len(place.log()) // 1000} kB) were searched for "
        f"{2 + len(OTHERS)} phones and {len({*plot.stage.said} - KEYWORDS)} texts, plain, in hexadecimal, in base64 and as "
        "plain hashes: there is none"
    )


def search(said: Iterable[str], places: Mapping[str, bytes]) -> None:
    """Look for every phone of the story and everything said in it. Raises Mistold that names where there is one."""
    phones = [spelling for person in (ADA, BJORN, *OTHERS) for spelling in (person.phone, person.phone[1:])]
    for secret in (*phones, *(text for text in said if text not in KEYWORDS)):
        for form, spelled in spellings(secret):
            found = [name for name, content in places.items() if spelled in content]
            expect(f"places with a phone or a text of the story ({form})", expected=[], saw=found)


def spellings(secret: str) -> Iterator[tuple[str, bytes]]:
    """What ``secret`` looks like where it was stored in clear or as a plain hash."""
    data = secret.encode()
    yield "plain", data
    yield "hexadecimal", data.hex().encode()
    yield "base64", base64.b64encode(data).rstrip(b"=")
    for name in ("md5", "sha1", "sha256"):
        yield name, hashlib.new(name, data, usedforsecurity=False).hexdigest().encode()


def rows(copied: bytes) -> list[bytes]:
    """The rows of a table's copy."""
    return copied.splitlines()


async def _events(plot: Plot) -> dict[str, tuple[str, str | None]]:
    """Kind and message of every event since the story began, by id."""
    found = {}
    for ride_id in plot.stage.rides:
        for event in (await plot.stage.kept(ride_id))["events"]:
            found[event["id"]] = (event["type"], event["message"])
    return found


async def _states(plot: Plot) -> dict[str, str]:
    """The state of every message of the story, by id."""
    return {m["id"]: m["state"] for ride_id in plot.stage.rides for m in (await plot.stage.kept(ride_id))["messages"]}
