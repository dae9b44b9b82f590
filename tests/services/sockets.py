"""The sending side as taking texts in sees it, without anything that sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from relay.services.sending import Intent
from relay.storage.configuration import Directory
from relay.storage.outbox import Mark
from relay.worker.departures import Departures
from tests.services.rig import Talk


@dataclass(slots=True)
class Sockets:
    """Always free, but for numbers that are busy; sends nothing, and notes what it is told."""

    epoch: int
    busy: set[UUID] = field(default_factory=set)
    taken: int = 0
    started: list[Intent] = field(default_factory=list)
    taken_back: list[Mark] = field(default_factory=list)

    def reserve(self, bucket: int, number_id: UUID, directory: Directory) -> int | None:
        if number_id in self.busy:
            return None
        self.taken += 1
        return self.epoch

    def give_back(self, bucket: int, numbers: Sequence[UUID]) -> None:
        self.taken -= len(numbers)

    def start(self, bucket: int, intent: Intent, epoch: int, directory: Directory) -> None:
        self.started.append(intent)

    def take_back(self, bucket: int, attempts: list[Mark]) -> None:
        self.taken_back += attempts


async def sockets_of(talk: Talk) -> Sockets:
    """The gate of the process that owns the talk's bucket."""
    sockets = Sockets(await talk.rig.epoch(talk.bucket))
    talk.rig.relay.inbound.gate = lambda bucket, directory: Departures(sockets, bucket, directory, 2.0)
    return sockets
