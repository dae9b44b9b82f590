"""The promises to the marketplace's own server: what it is asked about leaves on its word, what happens it is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from tests.campaign.history import Asked, Entry, Happened, History, Message

if TYPE_CHECKING:
    from tests.campaign.checker import Facts

_CLOCK = 0.01  # seconds: the carrier writes milliseconds
_UNHEARD = "hook_timeout"


def i16_what_a_hook_is_asked_about_leaves_on_its_word(facts: Facts) -> Iterator[str]:
    history = facts.history
    refused = {message.id for message in history.messages if message.reason == "hook_refused"}
    asked: dict[str, list[Asked]] = defaultdict(list)
    for one in history.asked:
        asked[one.text].append(one)
        if not one.is_right:
            yield f"{one.message}: a question was not signed"
    for said, entry in facts.relayed:
        if said.session:
            policy = history.hooked.get(facts.opened[said.session].pool)
            if wrong := _left(policy, asked.get(said.text, ()), entry, refused):
                yield f"{said.sid} {wrong}"
    for said in history.said:
        if said.session and said.text in asked and facts.opened[said.session].pool not in history.hooked:
            yield f"{said.sid}: somebody was asked about a text of a pool without a hook"
    yield from _reasons(facts, asked)


def _left(policy: str | None, asked: Sequence[Asked], entry: Entry, refused: Collection[str]) -> str:
    """What is wrong with its having left; empty = nothing."""
    before = [one for one in asked if one.at < entry.at + _CLOCK]
    if policy is None:
        return ""
    if not before:
        return "left before anybody was asked about it"
    if any(one.message in refused for one in before):
        return "left, and is said to be refused by its hook"
    if policy == "refuse" and all(one.answer != "allow" for one in before):
        return "left, and its hook had not allowed it"
    return ""


def _reasons(facts: Facts, asked: dict[str, list[Asked]]) -> Iterator[str]:
    """A hook's refusal was one; where texts leave without an answer none stands parked for want of it."""
    said_no = {one.message for texts in asked.values() for one in texts if one.answer == "refuse"}
    for message in facts.history.messages:
        if message.reason == "hook_refused" and message.id not in said_no:
            yield f"{message.id}: is said to be refused by a hook, which did not"
        if message.reason == _UNHEARD and _policy(facts, message) != "refuse":
            yield f"{message.id}: is parked for want of an answer, against the pool's word"


def _policy(facts: Facts, message: Message) -> str | None:
    return facts.history.hooked.get(facts.opened[message.session].pool)


def i17_every_event_is_told(facts: Facts) -> Iterator[str]:
    history = facts.history
    taken = {(told.endpoint, told.event) for told in history.told if 200 <= told.status <= 299}
    for happened in history.happened:
        for name, patterns in history.webhooks.items():
            state = happened.deliveries.get(name, "not at all")
            wants = _takes(patterns, happened.type)
            if wants and (name, happened.event) not in taken and state != "waiting":
                yield f"{happened.event}, {happened.type}: was not told to {name}, and stands {state}"
            if not wants and name in happened.deliveries:
                yield f"{happened.event}, {happened.type}: {name} did not want it"
    yield from _posts(history)
    yield from _sequences(history.happened)


def _takes(patterns: Sequence[str], event_type: str) -> bool:
    return any(pattern in {"*", event_type, event_type.partition(".")[0] + ".*"} for pattern in patterns)


def _posts(history: History) -> Iterator[str]:
    """Signed; of what did happen; the same whenever it comes, with the number that it has."""
    known = {happened.event: happened for happened in history.happened}
    bodies: dict[str, set[str]] = defaultdict(set)
    for told in history.told:
        bodies[told.event].add(told.body)
        happened = known.get(told.event)
        if not told.is_right:
            yield f"{told.event}: was not signed, or came under another id"
        if happened is None:
            yield f"{told.event}: was told, and did not happen"
        elif (told.session, told.sequence) != (happened.session, happened.sequence):
            yield f"{told.event}: was told as number {told.sequence}, and is {happened.sequence}"
    for event, different in bodies.items():
        if len(different) > 1:
            yield f"{event}: was told in {len(different)} different ways"


def _sequences(events: Sequence[Happened]) -> Iterator[str]:
    numbers: dict[str, list[int | None]] = defaultdict(list)
    for happened in events:
        numbers[happened.session].append(happened.sequence)
    for session, found in numbers.items():
        if session and sorted(n or 0 for n in found) != list(range(1, len(found) + 1)):
            yield f"{session}: its events are not numbered from 1 to {len(found)}"
        if not session and any(n is not None for n in found):
            yield "an event of no session has a number"
