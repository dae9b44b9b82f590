"""What keys are for, how long one seals, and when the next one has to be there. All times are given.

Phones of participants are sealed under a key of the week, what waits to leave under a key of the day, and what carriers call
the texts that they still hold under a key of the month. Destroying such a key makes every backup unreadable that holds what
it sealed; so none may seal for longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Purpose(StrEnum):
    """What a key is for. One key never serves two purposes."""

    INDEX = "index"  #: keyed hashes of phones
    FINGERPRINT = "fingerprint"  #: keyed hashes of requests, webhooks and provider ids
    EPOCH = "epoch"  #: seals participants' phones
    TRANSIT = "transit"  #: seals what still has to leave
    REDACTION = "redaction"  #: seals what carriers call the texts that they still have to delete
    SETTINGS = "settings"  #: seals provider credentials
    TOKEN = "token"  # noqa: S105 - the purpose's name, not a secret. Signs callback tokens, cursors and cookies
    LOG = "log"  #: signs the heads of audit logs (Ed25519)


SEALS_FOR: Mapping[Purpose, timedelta] = {
    Purpose.EPOCH: timedelta(weeks=1),
    Purpose.TRANSIT: timedelta(days=1),
    Purpose.REDACTION: timedelta(days=30),
}

#: A key is published so long before it seals anything, so that every process and every copy of the keyring has it by then.
PUBLISHED_AHEAD = timedelta(hours=1)

#: How long a key is kept after another has taken its place, at least. For those of the first line: it may still be in a
#: transaction that is under way, and no transaction lasts so long. For the others: what lives for a day is not looked through.
KEPT_FOR: Mapping[Purpose, timedelta] = {
    **dict.fromkeys(SEALS_FOR, timedelta(minutes=10)),
    **dict.fromkeys((Purpose.INDEX, Purpose.FINGERPRINT), timedelta(hours=25)),
}


#: How often keys that are over are looked for.
PRUNED_EVERY = timedelta(hours=1)

#: How long a value that one of these sealed may be needed, at most; a phone is sealed anew where that matters.
USED_FOR: Mapping[Purpose, timedelta] = {Purpose.TRANSIT: timedelta(days=7)}


@dataclass(frozen=True, slots=True, order=True)
class KeyName:
    """Which key, without its bytes."""

    purpose: Purpose
    id: int

    def __str__(self) -> str:
        return f"{self.purpose} key {self.id}"


@dataclass(frozen=True, slots=True)
class Published:
    """What everybody knows of a key. ``use_from`` None: it is as old as the installation. It seals from ``in_use_since`` on,
    which is when every process had it, until a newer one of its purpose does."""

    name: KeyName
    use_from: datetime | None
    in_use: bool
    in_use_since: datetime | None
    destroyed: bool


def due(published: Sequence[Published], now: datetime) -> dict[Purpose, datetime]:
    """Which purposes need their next key now, and when it shall begin to seal."""
    found: dict[Purpose, datetime] = {}
    for purpose, lasting in SEALS_FOR.items():
        newest = _newest([key for key in published if key.name.purpose is purpose])
        if newest is None:
            continue
        earliest = now + PUBLISHED_AHEAD
        ends = earliest if newest.use_from is None else newest.use_from + lasting
        if ends <= earliest:
            found[purpose] = earliest
    return found


def overdue(published: Sequence[Published], now: datetime) -> list[Purpose]:
    """Purposes whose key has sealed for longer than its term, and has no successor: nobody makes keys. One that is as old as its
    installation has no term."""
    newest = [_newest([key for key in published if key.name.purpose is purpose]) for purpose in SEALS_FOR]
    return [
        key.name.purpose
        for key in newest
        if key and key.use_from is not None and key.use_from + SEALS_FOR[key.name.purpose] + PUBLISHED_AHEAD <= now
    ]


def sealing(published: Sequence[Published]) -> dict[Purpose, int]:
    """By purpose, the number of the key that seals: the newest that is in use."""
    found: dict[Purpose, int] = {}
    for key in published:
        if key.in_use and not key.destroyed:
            found[key.name.purpose] = max(key.name.id, found.get(key.name.purpose, key.name.id))
    return found


def state(key: Published, sealing: Mapping[Purpose, int]) -> str:
    """What a key does, in one word: waiting, seals, opens or destroyed."""
    if key.destroyed:
        return "destroyed"
    if not key.in_use:
        return "waiting"
    return "seals" if sealing.get(key.name.purpose) == key.name.id else "opens"


def needed(published: Sequence[Published], now: datetime) -> set[KeyName]:
    """Keys that every process must have by now: those that are in use, and those that wait for nothing else."""
    return {
        key.name
        for key in published
        if not key.destroyed and (key.in_use or (key.use_from is not None and key.use_from <= now))
    }


def retired(published: Sequence[Published], now: datetime) -> list[KeyName]:
    """Keys that have not been in use for long enough to be destroyed, oldest first."""
    current = {key.name: key for key in published}
    found: list[KeyName] = []
    for purpose, newest in sealing(published).items():
        since = current[KeyName(purpose, newest)].in_use_since
        if purpose in KEPT_FOR and since is not None and since + KEPT_FOR[purpose] <= now:
            found += [k.name for k in published if k.name.purpose is purpose and k.name.id < newest and not k.destroyed]
    return sorted(found)


def unreadable_from(published: Sequence[Published], now: datetime) -> datetime:
    """When the keys that seal phones and texts now will have been destroyed at the latest, if keys take turns by themselves
    and nothing else keeps one: copies that were made until now cannot be read from then on.

    A key's time ends; the next one begins to seal at most an hour later, what it took over from is kept for ten minutes more,
    and is found by the next of the rounds that destroy keys.
    """
    current, newest = {key.name: key for key in published}, sealing(published)
    found = now
    for purpose in (Purpose.EPOCH, Purpose.TRANSIT):
        lasting = SEALS_FOR[purpose]
        key = current.get(KeyName(purpose, newest.get(purpose, 0)))
        begun = key.use_from if key else None
        ends = now if begun is None else max(now, begun + lasting)
        found = max(
            found, ends + USED_FOR.get(purpose, timedelta()) + PUBLISHED_AHEAD + KEPT_FOR[purpose] + PRUNED_EVERY
        )
    return found


def _newest(keys: Sequence[Published]) -> Published | None:
    return max(keys, key=lambda key: key.name.id, default=None)
