"""How long things are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from relay.core import keys
from relay.core.model import State
from relay.core.redaction import ALARM_AFTER

MESSAGES_FOR = timedelta(days=90)
EVENTS_FOR = timedelta(days=30)
BULK_CLOSES_FOR = timedelta(days=30)
INBOX_KEYS_FOR = timedelta(days=90)
ANSWERS_FOR = timedelta(hours=24)
REQUESTS_FOR = timedelta(hours=24)
TURNS_FOR = timedelta(hours=24)
#: Longer than that is an alarm; the row stays, because what the carrier has does.
CARRIER_COPIES_FOR = ALARM_AFTER
#: After it is over a session at the console is still in the list of keys for so long.
CONSOLE_SESSIONS_FOR = timedelta(hours=24)
EXPORTS_FOR = keys.USED_FOR[keys.Purpose.TRANSIT]
AUDIT_ENTRIES_FOR = timedelta(days=396)  # 13 months: a year can be audited when it is over
PRIVACY_REQUESTS_FOR = timedelta(days=396)  # 13 months: what a supervisory authority may ask about
#: A START is kept for so long, because an older STOP that is still on its way must lose against it.
STARTS_FOR = timedelta(hours=24)
#: States in which nothing of a message waits to leave any more.
ENDED = (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, State.REFUSED, State.EXPIRED)


def keys_forgotten_before(now: datetime, *, has_connection: bool, signature_is_timed: bool) -> datetime | None:
    """Up to when the inbox keys of a connection are forgotten; None = they are kept.

    Without its connection nothing can be replayed. A signature that carries no time stays valid for ever, and so must the memory.
    """
    if not has_connection:
        return now
    return now - INBOX_KEYS_FOR if signature_is_timed else None
