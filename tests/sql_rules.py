"""What else is asked of statements: given times, told changes, fenced leases, and nothing that works behind their back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.sql_source import SqlRule, Statement, columns_set, tables_read


def _found(pattern: str, statement: Statement, what: str) -> Iterator[str]:
    match = re.search(pattern, statement.bare)
    if match:
        yield f"{match[0]}: {what}"


_ASKS = (
    r"\b(?:now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|gen_random_\w+|uuidv?\d\w*"
    r"|uuid_generate\w*) ?\(|\b(?:current_timestamp|current_date|current_time|localtime|localtimestamp)\b"
)


def _given_times(statement: Statement) -> Iterator[str]:
    yield from _found(_ASKS, statement, "times and ids are parameters")
    if re.search(r"'(?:now|today|tomorrow|yesterday)'", statement.sql.lower()):
        yield "a time in quotes that asks the clock"


def _no_triggers(statement: Statement) -> Iterator[str]:
    yield from _found(
        r"\bcreate (?:or replace )?(?:constraint |event )?(?:trigger|rule)\b", statement, "unseen by its caller"
    )


def _no_procedures(statement: Statement) -> Iterator[str]:
    pattern = r"\bplpgsql\b|\bcreate (?:or replace )?(?:function|procedure)\b|^do\b|^call\b|\$[a-z_]*\$"
    yield from _found(pattern, statement, "plain SQL only")


def _no_sequences(statement: Statement) -> Iterator[str]:
    pattern = r"\b(?:small|big)?serial\b|\bserial\d\b|\bsequence\b|\bnextval\b|\bas identity\b"
    yield from _found(pattern, statement, "ids are made beforehand")


def _no_advisory_locks(statement: Statement) -> Iterator[str]:
    yield from _found(r"\bpg_(?:try_)?advisory\w*", statement, "kept per machine, forgotten with the connection")


def _listed_columns(statement: Statement) -> Iterator[str]:
    for group in statement.groups:
        if re.search(r"(?:\b(?:select|distinct|all|returning)|,) (?:\w+\.)?\*", group):
            yield "a star stands for columns"


def _fenced_leases(statement: Statement) -> Iterator[str]:
    changed = {column for table, column in columns_set(statement) if table == "lease"}
    takes = "owner" in changed or "insert into lease" in statement.bare
    if takes and not re.search(r"\bepoch = (?:\w+\.)?epoch \+ 1\b", statement.bare):
        yield "an owner changes without a new epoch"
    if takes and not re.search(r"\bwhere (?:\w+\.)?until < \$\d", statement.bare):
        yield "a lease is taken though somebody may hold it"
    for branch in statement.branches:
        if any(table == "lease" for table, _ in tables_read(branch)) and re.search(
            r"\bfor (?:no key )?update\b", branch
        ):
            yield "a lease is locked for more than share"


#: What a change of these columns means happened to somebody, and is therefore told.
_TOLD = {
    ("message", "state"),
    ("session", "status"),
    ("participant", "status"),
    ("number_state", "state"),
    ("pool", "status"),
    ("verification", "status"),
    ("api_key", "revoked_at"),
    ("console_link", "used_at"),
    ("console_link", "refused_at"),
    ("endpoint", "status"),
}


def _told(statement: Statement) -> Iterator[str]:
    changes = sorted(f"{table}.{column}" for table, column in {*columns_set(statement)} & _TOLD)
    changes += [
        f"a new {table}"
        for table in ("message", "session", "verification", "endpoint")
        if re.search(rf"\binsert into {table}\b", statement.bare)
    ]
    if changes and not re.search(r"\binsert into event\b", statement.bare):
        yield f"{', '.join(changes)} without an event"


_TAKE = (
    "insert into lease as l (bucket, name, owner) values ($1, 'send', $2)"
    " on conflict (bucket, name) do update set owner = excluded.owner"
)

QUERY_RULES = (
    SqlRule(
        "times and ids are given",
        "one transaction has one time, the tests' and the sandbox's too; an update may not ask a volatile function",
        _given_times,
        [
            "select id from pool where made < now()",
            "update t set a = NOW ()",
            "select current_timestamp",
            "select a from t where b > clock_timestamp() - interval '1 s'",
            "select localtimestamp, current_date",
            "insert into event (bucket, id) values ($1, gen_random_uuid())",
            "select uuidv7()",
            "select random()",
            "select 'now'::timestamptz",
        ],
        [
            "select id from t where at < $1 + interval '1 s'",
            "select now from t",
            "select 'now and then' -- now()",
            "select $1::uuid",
        ],
    ),
    SqlRule(
        "a change is told",
        "log and webhooks are fed from events; a change without one happened to nobody's knowledge",
        _told,
        [
            "update message set state = 'refused' where bucket = $1",
            "update message m set changed_at = $2, state = case when a = 1 then 'x' end where bucket = $1",
            "with m as (update session set closed_at = $2, status = 'closed' where bucket = $1 returning id) select id from m",
            "insert into message (bucket, id, state) values ($1, $2, 'queued')",
            "insert into session (bucket, id) values ($1, $2) on conflict (bucket, id) do nothing",
            "insert into number_state as n (bucket, state) values ($1, $2) on conflict (bucket) do update set state = $2",
            "update participant set label = '', status = 'closed' where bucket = $1 -- insert into event",
            "update pool set status = 'ready' where id = $1",
            "update verification v set digest = null, status = 'failed' where v.bucket = $1",
            "insert into verification (bucket, id) values ($1, $2)",
        ],
        [
            "with m as (update message set state = 'x' where bucket = $1 returning id) insert into event (bucket) select $1",
            "update message m set note = $2 from session s where m.bucket = $1 and s.bucket = $1 and s.status = 'x'",
            "update session set last_leg_no = 7 where bucket = $1 and status = 'open'",
            "select id from message where bucket = $1 and state = 'queued' for no key update",
        ],
        exempt={
            "outbox.send_again": "from sending back to queued: the attempt row is the record of that",
            "outbox.queue_after_all": "the same",
        },
    ),
    SqlRule(
        "leases are fenced",
        "an owner whose time is over must not begin anything: the epoch tells, and whoever begins holds the row for share",
        _fenced_leases,
        [
            f"{_TAKE} where l.until < $3",
            f"{_TAKE}, epoch = l.epoch + 1",
            "update lease set owner = $2, until = $3 where bucket = $1 and until < $4",
            "select epoch from lease where bucket = $1 for update",
            "select l.epoch from lease l where l.bucket = $1 for no key update",
        ],
        [
            f"{_TAKE}, epoch = l.epoch + 1 where l.until < $3",
            "update lease set until = $2 where bucket = $1",
            "select epoch from lease where bucket = $1 for share",
        ],
        exempt={"outbox.lock_lease": "it begins nothing: it waits for whoever is beginning something"},
    ),
)

EVERYWHERE = (
    SqlRule(
        "columns are listed",
        "a column that is added must not change what a statement of yesterday returns",
        _listed_columns,
        [
            "select * from t",
            "select t.* from t",
            "select a, t.* from t",
            "select distinct * from t",
            "delete from t returning *",
            "with x as (select  *  from t) select a from x",
        ],
        ["select count(*) from t", "select a * b, 2 * $1 from t", "select '*' from t"],
    ),
    SqlRule(
        "no triggers",
        "what a statement does is what it says",
        _no_triggers,
        [
            "create trigger t before insert on message execute function f()",
            "create or replace constraint trigger t after update on message execute function f()",
            "create rule r as on insert to message do instead nothing",
        ],
        ["create table triggered (bucket smallint)"],
    ),
    SqlRule(
        "no procedures",
        "logic in the database is logic that no type checker, debugger or pure test sees",
        _no_procedures,
        [
            "create function f() returns int language sql as 'select 1'",
            "create or replace procedure p() language plpgsql as $$ begin end $$",
            "do $body$ begin end $body$",
            "call p()",
            "DO 'begin end'",
        ],
        ["insert into t (a) values ($1) on conflict do nothing", "select $1::int + $2::int"],
    ),
    SqlRule(
        "no sequences",
        "a counter is one row that every machine waits for; ids are random, made beforehand, and repeatable",
        _no_sequences,
        [
            "create table t (bucket smallint not null, id bigserial)",
            "create table t (id serial primary key)",
            "create table t (id bigint generated always as identity)",
            "create sequence s",
            "select nextval('s')",
        ],
        ["select serial_no from t", "create table serials (id uuid)"],
    ),
    SqlRule(
        "no advisory locks",
        "they are kept per machine and forgotten with the connection; a lease is a row",
        _no_advisory_locks,
        ["select pg_advisory_xact_lock($1)", "select pg_try_advisory_lock(1, 2)", "SELECT PG_ADVISORY_UNLOCK_ALL()"],
        ["select advisory from t"],
    ),
)
