"""Which columns say in what state a row is, what may become of it, and which event has to tell of that.

The list that ``state_changes`` holds the SQL files against. A column that has a closed list of words, and is no state, is named
in ``NO_LIVES`` with the reason; a change that no event tells of, in ``UNTOLD``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relay.core.delivery import FIRST, MOVES
from relay.core.model import CloseReason, NumberState, State
from relay.core.subject import RequestKind

#: (before, after); None before a row is there, and when it has gone.
Move = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Life:
    """``told``: each move, and the events of which one tells of it. ``unsaid``: what a row is born as when its insert does not
    say. ``stamped``: the column holds a time, and this word stands for one. ``ends``: to be deleted is a change, too."""

    told: Mapping[Move, frozenset[str]]
    unsaid: str = "new"
    stamped: str = ""
    ends: bool = False

    @property
    def words(self) -> frozenset[str]:
        return frozenset(word for move in self.told for word in move if word)

    def before(self, after: str) -> list[str | None]:
        """From where one may become this."""
        return [before for before, became in self.told if became == after]


def _one(*told: tuple[Move, str]) -> Mapping[Move, frozenset[str]]:
    return {move: frozenset(events.split("|")) for move, events in told}


def _of_messages() -> Mapping[Move, frozenset[str]]:
    found: dict[Move, frozenset[str]] = {}
    for first in FIRST:
        found[None, first] = frozenset({"message.refused" if first is State.REFUSED else "message.received"})
    for before, afters in MOVES.items():
        for after in afters:
            again = before is State.PARKED and after is State.QUEUED
            found[before, after] = frozenset({"message.retried" if again else f"message.{after}"})
    return found


def _of_numbers() -> Mapping[Move, frozenset[str]]:
    found: dict[Move, frozenset[str]] = {}
    for after in NumberState:
        word = NumberState.QUARANTINED if after is NumberState.UNREGISTERED else after
        found[None, after] = frozenset({"number.added"})
        found[after, None] = frozenset({"number.released"})
        found |= {(before, after): frozenset({f"number.{word}"}) for before in NumberState if before is not after}
    return found


def _once(born: str, stamped: str = "", told: str = "") -> Life:
    """A row that is born, and to which one thing can happen."""
    return Life(_one(((None, "new"), born), *([(("new", stamped), told)] if stamped else [])), stamped=stamped)


LIVES: Mapping[tuple[str, str], Life] = {
    ("message", "state"): Life(_of_messages()),
    ("session", "status"): Life(
        _one(
            ((None, "open"), "session.opened"),
            (("open", "closed"), "session.closed"),
            (("closed", "open"), "session.reopened"),
        )
    ),
    ("session", "close_reason"): Life(
        _one(
            ((None, "new"), "session.opened"),
            *((("new", reason), "session.closed") for reason in CloseReason if reason is not CloseReason.ERASED),
            *(
                ((reason, "erased"), "session.closed|session.erased")
                for reason in ("new", *CloseReason)
                if reason is not CloseReason.ERASED
            ),
        )
    ),
    ("participant", "status"): Life(
        _one(
            ((None, "live"), "session.opened|participant.replaced"),
            (("live", "closed"), "session.closed"),
            (("live", "replaced"), "participant.replaced"),
            (("closed", "live"), "session.reopened"),
        )
    ),
    ("person", "opted_out"): Life(
        _one(
            ((None, "false"), "participant.opted_in"),
            ((None, "true"), "participant.opted_out"),
            (("false", "true"), "participant.opted_out"),
            (("true", "false"), "participant.opted_in"),
        ),
        unsaid="false",
    ),
    ("number_state", "state"): Life(_of_numbers(), ends=True),
    ("pool", "status"): Life(
        _one(((None, "preparing"), "pool.added"), (("preparing", "ready"), "pool.ready")), unsaid="preparing"
    ),
    ("verification", "status"): Life(
        _one(
            ((None, "pending"), "verification.started"),
            (("pending", "approved"), "verification.approved"),
            (("pending", "failed"), "verification.failed"),
        )
    ),
    ("endpoint", "status"): Life(
        _one(
            ((None, "enabled"), "webhook.enabled"),
            (("enabled", "disabled"), "webhook.disabled"),
            (("disabled", "enabled"), "webhook.enabled"),
        ),
        unsaid="enabled",
    ),
    ("api_key", "revoked_at"): _once("key.created", "revoked", "key.revoked"),
    ("console_link", "used_at"): _once("key.linked", "used", "key.link_used"),
    ("console_link", "refused_at"): _once("key.linked", "refused", "key.link_refused"),
    ("keyring_check", "in_use"): Life(
        _one(
            ((None, "false"), "keyring.published"),
            ((None, "true"), "keyring.rotated"),
            (("false", "true"), "keyring.rotated"),
        )
    ),
    ("keyring_check", "destroyed_at"): _once("keyring.published", "destroyed", "keyring.destroyed"),
    ("hold", "lifted_at"): _once("privacy.hold", "lifted", "privacy.hold"),
    ("privacy_request", "kind"): Life(_one(*(((None, kind), f"privacy.{kind}") for kind in RequestKind))),
    ("audit_export", "asked_at"): _once("audit.exported"),
    ("audit_reader", "noted_at"): _once("audit.read"),
}

_STOPPED = frozenset({State.REFUSED, State.PARKED})  # core.closing.stopped

#: What statements are given as the new state: what their one caller in ``relay/storage`` can hand over.
GIVEN: Mapping[tuple[str, str, str], frozenset[str]] = {
    ("messages.write", "message", "state"): frozenset(FIRST),
    ("endings.close", "message", "state"): frozenset(_STOPPED),
    ("endings.close", "session", "close_reason"): frozenset(CloseReason),
    ("seats.replace", "message", "state"): frozenset(_STOPPED),
    ("suppressions.stop", "message", "state"): frozenset(_STOPPED),
    ("outbox.receipt", "message", "state"): frozenset({State.ACCEPTED, State.DELIVERED, State.UNDELIVERED}),
    ("numbers.add_state", "number_state", "state"): frozenset(NumberState),
    ("numbers.change_state", "number_state", "state"): frozenset(NumberState),
    ("endpoints.set_status", "endpoint", "status"): frozenset({"enabled", "disabled"}),
    ("suppressions.change_people", "person", "opted_out"): frozenset({"true", "false"}),
    ("people.supersede", "person", "opted_out"): frozenset({"true", "false"}),
    ("people.change_superseded", "person", "opted_out"): frozenset({"true", "false"}),
    ("keyring.publish", "keyring_check", "in_use"): frozenset({"true", "false"}),
    ("subjects.write_request", "privacy_request", "kind"): frozenset(RequestKind),
}

_ATTEMPT = "its record is the attempt row, which the same statement writes or ends"
_ALL_HEAR = (
    "every account is told, each in its bucket, by keyring.tell; told_of_use and told_of_end stand until all have been"
)
_OTHERS = "the same person's wish in another place: told once, where it came in"

#: (statement, table): why no event tells of what it changes there. With a move after it, of that move only.
UNTOLD: Mapping[tuple[str, str] | tuple[str, str, Move], str] = {
    ("outbox.door", "message", ("queued", "sending")): _ATTEMPT,
    ("outbox.mark", "message", ("sending", "queued")): _ATTEMPT,
    ("outbox.send_again", "message", ("sending", "queued")): _ATTEMPT,
    ("outbox.queue_after_all", "message", ("sending", "queued")): _ATTEMPT,
    (
        "sessions.open_1_people",
        "person",
    ): "that somebody is known is no wish of theirs: the session that is opened is told",
    ("suppressions.copy_people", "person"): _OTHERS,
    ("people.supersede", "person"): "the same person under another key",
    ("people.change_superseded", "person"): _OTHERS,
    ("keyring.publish", "keyring_check"): _ALL_HEAR,
    ("keyring.put_in_use", "keyring_check"): _ALL_HEAR,
    ("keyring.destroy", "keyring_check"): _ALL_HEAR,
    ("keyring.give_up", "keyring_check"): _ALL_HEAR,
    ("configuration.add_pool", "pool"): "a pool is told of when it can be used: pool.ready",
}

#: Columns with a closed list of words that are no states, each with the reason.
NO_LIVES: Mapping[tuple[str, str], str] = {
    ("account", "on_ambiguous"): "a setting",
    ("number", "kind"): "never changes",
    ("message", "kind"): "never changes",
    ("session", "geo_match"): "a rule for whoever comes later",
    ("session", "geo_fallback"): "the same",
    ("participant", "slot"): "never changes",
    ("verification", "purpose"): "never changes",
    ("hold", "reason"): "never changes while a hold stands",
    ("privacy_request", "operator_reason"): "never changes",
    ("outbox", "phase"): "follows the message's state and the outcomes of its attempts",
    ("attempt", "outcome"): "is itself the record",
    ("endpoint", "disabled_reason"): "goes with the status",
    ("delivery", "state"): "is itself the record of who was told of an event",
    ("delivery", "failure"): "goes with the state",
    ("suppression", "source"): "goes with the person's wish, which is told where it came in",
    ("suppression", "reason"): "the same",
    ("pool_hook", "kind"): "never changes",
    ("pool_hook", "on_timeout"): "a setting",
}
