"""What is kept, why, and for how long: every column of every table belongs to exactly one data class, in the table of
``data_rules``.

The rules that forget, the report of what is held, the record of processing (GDPR article 30) and the table in
``docs/privacy.md`` are made from that table. A test holds it to the migrated database: a column without a class fails, and so
does a class that names a column which is not there.

Dates are counted from a row's own times, by the time that is passed in. A *hold* keeps what is known about a session (its
row, its participants' rows, messages, attempts, events) beyond its period; it keeps no phone and no text, which go when the
session closes and when the text has left, hold or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from relay.core.data_class import DataClass
from relay.core.data_rules import RULES

#: So long after its due time something still there is overdue: upkeep comes by more often than that.
GRACE = timedelta(hours=1)


def classified() -> Iterator[tuple[str, str, DataClass]]:
    """Every column: table, column, class."""
    for data_class, rule in RULES.items():
        for table, names in rule.columns.items():
            yield from ((table, name, data_class) for name in names)


def overdue_before(data_class: DataClass, now: datetime) -> datetime:
    """What was due before this, by the class's period or a date in the row, should have been forgotten more than an hour ago."""
    return now - (RULES[data_class].period or timedelta()) - GRACE
