"""One function for each promise. Each reads a history and yields what is wrong with it; nothing here knows how Relay works.

Every text of a run is unique, so an entry of the ledger can be led back to whoever said it. Messages, as the API shows them,
hold no text: they are counted by session and sender.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import combinations

from tests.campaign.customer_checks import i16_what_a_hook_is_asked_about_leaves_on_its_word, i17_every_event_is_told
from tests.campaign.history import NEVER, Entry, History, Log, Message, Opened, Said

LEFT = frozenset({"accepted", "delivered", "undelivered"})
ENDED = LEFT | {"refused", "expired", "parked"}
#: A send may begin just before a STOP or an expiry is known, and start within two seconds of that.
STARTS_WITHIN = 2.5


class Facts:
    """A history with the look-ups that the promises need."""

    def __init__(self, history: History, notices: frozenset[str]) -> None:
        self.history = history
        self.notices = notices
        self.said = {said.text: said for said in history.said}
        self.opened = {opened.session: opened for opened in history.opened}

    @cached_property
    def entries(self) -> dict[str, list[Entry]]:
        """Ledger entries by text."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.history.ledger:
            found[entry.text].append(entry)
        return found

    @cached_property
    def relayed(self) -> list[tuple[Said, Entry]]:
        """Every accepted send that can be led back to what somebody said, in the ledger's order."""
        return [(self.said[e.text], e) for e in self.history.ledger if e.text in self.said]

    @cached_property
    def by_sender(self) -> dict[tuple[str, str], list[Said]]:
        """What was said, by session and sender's participant id."""
        found: dict[tuple[str, str], list[Said]] = defaultdict(list)
        for said in self.history.said:
            if said.kind in {"text", "late"}:
                found[said.session, self.participant(said)].append(said)
        return found

    @cached_property
    def messages(self) -> dict[tuple[str, str], list[Message]]:
        """Relayed messages, by session and sender's participant id."""
        found: dict[tuple[str, str], list[Message]] = defaultdict(list)
        for message in self.history.messages:
            if message.kind == "relay" and message.session:
                found[message.session, message.sender].append(message)
        return found

    def participant(self, said: Said) -> str:
        opened = self.opened[said.session]
        return opened.participants[opened.phones.index(said.sender)]

    def others_seat(self, said: Said) -> tuple[str, str]:
        """Whom a text is for, and the number that this person knows."""
        opened = self.opened[said.session]
        other = 1 - opened.phones.index(said.sender)
        return opened.phones[other], opened.numbers[other]


Check = Callable[[Facts], Iterator[str]]


def i1_nothing_acknowledged_is_lost(facts: Facts) -> Iterator[str]:
    for session in facts.history.forgotten:
        yield f"{session} was opened, and is unknown now"
    for place, said in facts.by_sender.items():
        acked, stored = sum(one.acked < NEVER for one in said), len(facts.messages[place])
        if stored < acked:
            yield f"{place[0]}: {acked} texts were acknowledged, {stored} are stored"
        gone = sum(one.acked < NEVER and one.text not in facts.entries for one in said)
        explained = sum(message.state not in LEFT for message in facts.messages[place])
        if gone > explained:
            yield f"{place[0]}: {gone} acknowledged texts never left, {explained} are explained"


def i2_everything_ends(facts: Facts) -> Iterator[str]:
    for message in facts.history.messages:
        if message.state not in ENDED:
            yield f"{message.id} still stands {message.state}"


def i3_nothing_is_sent_twice(facts: Facts) -> Iterator[str]:
    doubled = sum(len(entries) - 1 for text, entries in facts.entries.items() if text in facts.said)
    allowed = facts.history.swallowed if facts.history.policy == "resend" else 0
    if doubled > allowed:
        yield f"{doubled} sends too many ({allowed} allowed)"
    for place, said in facts.by_sender.items():
        left = sum(one.text in facts.entries for one in said)
        told = [message.state for message in facts.messages[place]]
        surely = sum(state in LEFT for state in told)
        if not surely <= left <= surely + told.count("parked") + told.count("expired"):
            yield f"{place[0]}: {surely} are said to have left, {told.count('parked')} parked; {left} did leave"


def i4_everything_reaches_the_other_person_of_its_session(facts: Facts) -> Iterator[str]:
    for said, entry in facts.relayed:
        if said.kind in {"stranger", "stop", "start"}:
            yield f"{said.sid}: a {said.kind} was forwarded"
        elif (entry.to, entry.sender) != facts.others_seat(said):
            yield f"{said.sid}: reached the wrong person, or came from the wrong number"
    for entry in facts.history.ledger:
        if entry.text not in facts.said and entry.text not in facts.notices:
            yield "somebody was sent what nobody wrote"


def i5_no_phone_is_anywhere_it_must_not_be(facts: Facts) -> Iterator[str]:
    yield from facts.history.leaks


def i6_order_is_kept_within_a_leg(facts: Facts) -> Iterator[str]:
    if facts.history.may_reorder:
        return
    latest: dict[tuple[str, str], Said] = {}
    for said, _ in facts.relayed:
        leg = (said.session, said.sender)
        before = latest.get(leg)
        if before is not None and said.acked < before.asked:
            yield f"{said.sid} left after {before.sid}, which was written after it"
        if before is None or said.asked > before.asked:
            latest[leg] = said


def i7_nothing_begins_after_a_close(facts: Facts) -> Iterator[str]:
    after: Counter[str] = Counter()
    for said, entry in facts.relayed:
        if said.session and entry.at > facts.opened[said.session].closed:
            after[said.session] += 1
    for session, count in after.items():
        named = len(facts.opened[session].in_flight)
        if count > named:
            yield f"{session}: {count} sends after its close was acknowledged, which named {named}"


def i8_a_number_and_a_person_belong_to_one_session(facts: Facts) -> Iterator[str]:
    for one, other in _sharing(facts):
        if one.opened < other.open_until and other.opened < one.open_until:
            yield f"{one.session} and {other.session} were open with the same number and person"


def i9_a_cooling_binding_goes_to_the_same_two_only(facts: Facts) -> Iterator[str]:
    for one, other in _sharing(facts):
        if set(one.phones) != set(other.phones):
            yield f"{one.session} and {other.session} have the same number and person, but not the same two people"


def i10_late_texts_go_nowhere_and_answers_are_rare(facts: Facts) -> Iterator[str]:
    for said, _ in facts.relayed:
        if said.kind == "late":
            yield f"{said.sid}: a text to a closed session was forwarded"
    answers = Counter((e.sender, e.to, e.text) for e in facts.history.ledger if e.text in facts.notices)
    for (number, _, _), count in answers.items():
        if count > 1:
            yield f"somebody was answered {count} times from {number}"


def i11_copies_of_a_webhook_are_one_message(facts: Facts) -> Iterator[str]:
    for place, said in facts.by_sender.items():
        if len(facts.messages[place]) > len(said):
            yield f"{place[0]}: {len(said)} texts became {len(facts.messages[place])} messages"


def i12_receipts_are_matched_and_never_go_back(facts: Facts) -> Iterator[str]:
    for place, said in facts.by_sender.items():
        told = sum("delivered" in entry.told for one in said for entry in facts.entries.get(one.text, ())[:1])
        known = sum(message.state == "delivered" for message in facts.messages[place])
        if known < told:
            yield f"{place[0]}: {told} receipts said delivered, {known} messages say so"


def i13_every_change_has_its_event(facts: Facts) -> Iterator[str]:
    for message in facts.history.messages:
        counts = Counter(message.events)
        first = "message.refused" if message.state == "refused" and len(message.events) == 1 else "message.received"
        wanted = {first: 1}
        if message.state in ENDED - {"refused"} or first != "message.refused":
            wanted[f"message.{message.state}"] = 1
        missing = [name for name, count in wanted.items() if counts[name] < count]
        twice = [
            name for name, count in counts.items() if count > 1 and name not in {"message.parked", "message.retried"}
        ]
        if missing or twice:
            yield f"{message.id}, {message.state}: events missing {missing}, doubled {twice}"
    for log in facts.history.log:
        yield from _wrong_in(log)


def _wrong_in(log: Log) -> Iterator[str]:
    """Every event is in the log once, and the log is one tree."""
    for name in sorted({*log.happened, *log.entered}):
        happened, entered = log.happened.get(name, 0), log.entered.get(name, 0)
        if not happened <= entered <= max(happened, log.happened_later.get(name, 0)):
            yield f"{name} happened {happened} times and is {entered} times in the log"
    if log.doubled or log.unproved or log.gaps or not log.root_is_right:
        yield (
            f"the log: {log.doubled} entries twice, {log.unproved} not in the tree, {log.gaps} leaves of nothing, "
            f"root {'right' if log.root_is_right else 'wrong'}"
        )


def i14_nothing_begins_after_a_stop(facts: Facts) -> Iterator[str]:
    wishes: dict[str, list[Said]] = defaultdict(list)
    for said in facts.history.said:
        if said.kind in {"stop", "start"} and said.acked < NEVER:
            wishes[said.sender].append(said)
    for said, entry in facts.relayed:
        for stop in (wish for wish in wishes[entry.to] if wish.kind == "stop"):
            start = min(
                (w.asked for w in wishes[entry.to] if w.kind == "start" and w.asked > stop.asked), default=NEVER
            )
            if stop.acked + STARTS_WITHIN < entry.at < start:
                yield f"{said.sid} left {entry.at - stop.acked:.1f} s after its reader's STOP was acknowledged"


def i15_only_the_databases_clock_counts(facts: Facts) -> Iterator[str]:
    for said, entry in facts.relayed:
        opened = facts.opened.get(said.session)
        if opened and entry.at > opened.opened + opened.expires_in + STARTS_WITHIN:
            yield f"{said.sid} left after its session had expired"
    for place, messages in facts.messages.items():
        opened = facts.opened[place[0]]
        last = max((said.acked for said in facts.by_sender[place] if said.acked < NEVER), default=0.0)
        if last < opened.asked + opened.expires_in and any(m.reason == "session_expired" for m in messages):
            yield f"{place[0]}: a text was refused as too late before the session's time was over"


def _sharing(facts: Facts) -> Iterator[tuple[Opened, Opened]]:
    """Sessions that had the same number for the same person; no cool-down ends within a run."""
    holders: dict[tuple[str, str], list[Opened]] = defaultdict(list)
    for opened in facts.history.opened:
        for seat in zip(opened.numbers, opened.phones, strict=True):
            holders[seat].append(opened)
    for sessions in holders.values():
        yield from combinations(sessions, 2)


PROMISES: dict[str, Check] = {
    "I1": i1_nothing_acknowledged_is_lost,
    "I2": i2_everything_ends,
    "I3": i3_nothing_is_sent_twice,
    "I4": i4_everything_reaches_the_other_person_of_its_session,
    "I5": i5_no_phone_is_anywhere_it_must_not_be,
    "I6": i6_order_is_kept_within_a_leg,
    "I7": i7_nothing_begins_after_a_close,
    "I8": i8_a_number_and_a_person_belong_to_one_session,
    "I9": i9_a_cooling_binding_goes_to_the_same_two_only,
    "I10": i10_late_texts_go_nowhere_and_answers_are_rare,
    "I11": i11_copies_of_a_webhook_are_one_message,
    "I12": i12_receipts_are_matched_and_never_go_back,
    "I13": i13_every_change_has_its_event,
    "I14": i14_nothing_begins_after_a_stop,
    "I15": i15_only_the_databases_clock_counts,
    "I16": i16_what_a_hook_is_asked_about_leaves_on_its_word,
    "I17": i17_every_event_is_told,
}


def judge(history: History, *, notices: frozenset[str]) -> dict[str, list[str]]:
    """Every broken promise with its violations; nothing when all held."""
    facts = Facts(history, notices)
    found = {name: list(check(facts)) for name, check in PROMISES.items()}
    return {name: violations for name, violations in found.items() if violations}
