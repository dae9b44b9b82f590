"""Every change of state has its event: the table of states against the SQL files, statement by statement.

``lives`` says what may become of a row and what has to be told of it; ``state_changes`` finds who does it. What is on the list
of changes that no event tells of has its reason there, and is needed there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from tests.lives import GIVEN, LIVES, NO_LIVES, UNTOLD
from tests.sql_source import Statement, columns_set, migration_statements, query_statements
from tests.state_changes import Change, NotUnderstood, changes

STATEMENTS = query_statements()
CHANGES = changes(STATEMENTS)


def excused(change: Change) -> bool:
    return (change.statement, change.table) in UNTOLD or (change.statement, change.table, change.move) in UNTOLD


def untold(found: Sequence[Change]) -> list[str]:
    """Changes without the event that tells of them, and changes that may not be: in words."""
    wrong = []
    for change in found:
        expected = LIVES[change.table, change.column].told.get(change.move)
        if expected is None:
            wrong.append(f"{change.statement}: {change.table} may not go from {change.move[0]} to {change.move[1]}")
        elif change.event not in expected and not excused(change):
            said = f"tells {change.event}" if change.event else "writes no event"
            wrong.append(f"{change.statement}: {change.table} {change.move[0]} -> {change.move[1]} {said}")
    return wrong


def test_every_change_of_state_has_its_event_when_all_statements_are_read() -> None:
    assert untold(CHANGES) == []


def test_the_enumeration_holds_every_statement_that_writes_a_state() -> None:
    """Found by another way: whoever names the column in a ``set``, or inserts into the table."""
    writing = set()
    for statement in STATEMENTS:
        set_here = {*columns_set(statement)} & {*LIVES}
        born = {table for table, _ in LIVES if re.search(rf"\binsert into {table}\b", statement.bare)}
        writing |= {(statement.name, table) for table, _ in set_here} | {(statement.name, table) for table in born}

    assert writing - {(change.statement, change.table) for change in CHANGES} == set()
    assert len(CHANGES) > 100


def test_every_legal_move_is_made_by_a_statement_that_was_found() -> None:
    made = {(change.table, change.column, change.move) for change in CHANGES}
    legal = {(table, column, move) for (table, column), life in LIVES.items() for move in life.told}

    assert legal - made == set()


@pytest.mark.parametrize("excuse", UNTOLD, ids=str)
def test_an_excuse_is_needed_when_it_is_given(excuse: tuple[object, ...]) -> None:
    without = [change for change in CHANGES if (change.statement, change.table) == excuse[:2]]
    meant = [change for change in without if len(excuse) == 2 or change.move == excuse[2]]

    assert meant, "nothing is changed so"
    assert any(change.event not in LIVES[change.table, change.column].told[change.move] for change in meant)
    assert UNTOLD[excuse]  # type: ignore[index]  # the ids of the parameters are its keys


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_what_a_statement_is_given_is_said_only_where_it_is_asked(given: tuple[str, str, str]) -> None:
    assert any((change.statement, change.table, change.column) == given for change in CHANGES)


def test_every_column_with_a_list_of_words_is_a_state_or_named_as_none() -> None:
    """So a new table with a state of its own cannot be forgotten here."""
    listed = set()
    for statement in migration_statements():
        created = re.match(r"create table (?:if not exists )?(\w+)", statement.bare)
        altered = re.match(r"alter table (?:only )?(\w+)", statement.bare)
        table = created or altered
        checks = re.findall(r"\bcheck ?\((\w+) in ?\(", statement.bare) if table else []
        listed |= {(table[1], column) for column in checks} if table else set()
    reasons = {("message", "reason")}

    assert listed - {*LIVES} - {*NO_LIVES} - reasons == set()
    assert {*NO_LIVES} - listed == set()
    assert {("message", "state"), ("session", "status"), ("number_state", "state")} <= listed


_STOP = "update message set state = 'expired', reason = 'deadline' where bucket = $1 and id = $2 and state = 'queued'"
_ALL = "returning id, account_id, state"
_EXPIRED, _PARKED, _REFUSED = "'message.expired'", "'message.parked'", "'message.refused'"
_BY_STATE, _OTHERS = "'message.' || m.state", "m where m.state <> 'expired'"


def telling(event_type: str, rows: str = "m") -> str:
    """The insert of an event."""
    return (
        "insert into event (bucket, id, account_id, type, message_id, at)"
        f" select $1, $3, m.account_id, {event_type}, m.id, $4 from {rows}"
    )


PLANTED = {
    "no event": _STOP,
    "the event of another change": f"with m as ({_STOP} {_ALL}), e as ({telling(_PARKED)}) select id from m",
    "an event that does not hang on the change": f"with m as ({_STOP} {_ALL}), n as (select id, account_id from message)"
    f" {telling(_EXPIRED, 'n as m')}",
    "an event that leaves the change out": f"with m as ({_STOP} {_ALL}) {telling(_BY_STATE, _OTHERS)}",
    "a session that nobody hears of": "insert into session (bucket, id, status) values ($1, $2, 'open')",
    "a key that is revoked in silence": "update api_key set revoked_at = $2 where bucket = $1 and id = $3",
    "a number that is removed in silence": "delete from number_state where bucket = $1 and number_id = $2",
    "a move that is none": "with m as (update message set state = 'refused' where bucket = $1 and state = 'accepted'"
    f" {_ALL}) {telling(_REFUSED)}",
}


@pytest.mark.parametrize("sql", PLANTED.values(), ids=PLANTED)
def test_a_planted_statement_is_found_when_it_tells_nothing_or_something_else(sql: str) -> None:
    assert untold(changes([Statement("planted.here", sql)]))


SOUND = {
    "told": f"with m as ({_STOP} {_ALL}) {telling(_EXPIRED)}",
    "told by its state": f"with m as ({_STOP} {_ALL}) {telling(_BY_STATE)}",
    "no state": "update message set leg_no = 7 where bucket = $1 and state = 'queued'",
}


@pytest.mark.parametrize("sql", SOUND.values(), ids=SOUND)
def test_nothing_is_found_when_a_statement_tells_what_it_does(sql: str) -> None:
    assert untold(changes([Statement("planted.here", sql)])) == []


@pytest.mark.parametrize(
    "sql",
    [
        "update message set state = lower($2) where bucket = $1",
        "update message set state = $2 where bucket = $1",
        "update message set state = x.state from elsewhere x where bucket = $1",
    ],
)
def test_a_statement_is_refused_when_what_it_writes_cannot_be_read(sql: str) -> None:
    with pytest.raises(NotUnderstood):
        changes([Statement("planted.here", sql)])
