"""What happened in one run, as seen from outside Relay: by those who text, by the marketplace, by the carrier, and by the
API when all was over. Times are seconds of one machine's wall clock.

The checker reads this and nothing else. A history is kept as a file of JSON lines, so that it can be judged again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

NEVER = float("inf")


@dataclass(slots=True)
class Said:
    """A person texted a number; ``acked`` is when the carrier first got its 2xx. ``kind``: text, late, stranger, stop, start."""

    sid: str
    kind: str
    session: str
    sender: str
    number: str
    text: str
    asked: float
    acked: float = NEVER
    tries: int = 0


@dataclass(slots=True)
class Opened:
    """A session as the marketplace knows it. ``phones`` and ``numbers`` by slot; a close has ``in_flight`` from its answer."""

    session: str
    participants: list[str]
    phones: list[str]
    numbers: list[str]
    asked: float
    opened: float
    expires_in: float
    close_asked: float = NEVER
    closed: float = NEVER
    in_flight: list[str] = field(default_factory=list)
    pool: str = ""

    @property
    def open_until(self) -> float:
        """Until when it is open at least, if nobody else ends it."""
        return min(self.close_asked, self.asked + self.expires_in)


@dataclass(slots=True)
class Entry:
    """One line of the carrier's ledger: a send that it accepted. ``told`` are the receipts of it that we answered 2xx."""

    sender: str
    to: str
    text: str
    at: float
    told: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """A message as the API shows it at the end; ``events`` are the types of its events, as the log will have them."""

    id: str
    session: str
    kind: str
    sender: str
    to: str
    state: str
    reason: str
    events: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Deed:
    """Something was done to Relay."""

    at: float
    what: str


@dataclass(slots=True)
class Log:
    """The audit log at the end. ``happened``: how many events of each type there were before it was read, ``happened_later``: and
    afterwards, for something always happens; ``entered``: how many entries there are. ``doubled`` are entries of one name,
    ``unproved`` those whose leaf the tree has not, ``gaps`` leaves without an entry."""

    happened: dict[str, int] = field(default_factory=dict)
    entered: dict[str, int] = field(default_factory=dict)
    happened_later: dict[str, int] = field(default_factory=dict)
    doubled: int = 0
    unproved: int = 0
    gaps: int = 0
    root_is_right: bool = True


@dataclass(slots=True)
class Told:
    """A post to one of the marketplace's webhooks. ``status``: what it was answered, 0 for nothing; ``body``: a digest;
    ``is_right``: signed, just now, and under the id that it has in it."""

    endpoint: str
    event: str
    at: float
    status: int
    session: str
    sequence: int | None
    body: str
    is_right: bool = True


@dataclass(slots=True)
class Asked:
    """A question of a hook. ``answer``: allow, refuse, or none that could be used."""

    message: str
    session: str
    text: str
    at: float
    answer: str
    is_right: bool = True


@dataclass(slots=True)
class Happened:
    """An event that webhooks are told of, as the database has it at the end. ``deliveries``: webhook -> state."""

    event: str
    type: str
    session: str
    sequence: int | None
    deliveries: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class History:
    """``leaks``: where something was found that must not be there. ``forgotten``: sessions that were opened and are unknown
    now. ``swallowed``: answers that the carrier withheld. ``hooked``: pools whose texts are asked about, and what happens
    without an answer; ``webhooks``: which events each takes, all from the beginning."""

    policy: str = "park"
    may_reorder: bool = False  #: duplicates that the account asked for may come late
    swallowed: int = 0
    said: list[Said] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    ledger: list[Entry] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    log: list[Log] = field(default_factory=list)
    hooked: dict[str, str] = field(default_factory=dict)
    webhooks: dict[str, list[str]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)

    def write(self, path: Path) -> None:
        with path.open("w") as file:
            for line in self._lines():
                file.write(json.dumps(line) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        for each in fields(self):
            value = getattr(self, each.name)
            if not isinstance(value, list):
                yield {"field": each.name, "value": value}
                continue
            for one in value:
                yield {"field": each.name, "item": one if isinstance(one, str) else asdict(one)}


_KINDS = {
    "said": Said,
    "opened": Opened,
    "ledger": Entry,
    "messages": Message,
    "deeds": Deed,
    "leaks": str,
    "forgotten": str,
    "log": Log,
    "told": Told,
    "asked": Asked,
    "happened": Happened,
}


def read(path: Path) -> History:
    """A history that was written before."""
    history = History()
    for line in path.read_text().splitlines():
        told = json.loads(line)
        if "item" not in told:
            setattr(history, told["field"], told["value"])
            continue
        kind, item = _KINDS[told["field"]], told["item"]
        getattr(history, told["field"]).append(item if kind is str else kind(**item))
    return history
