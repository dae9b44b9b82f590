"""What is asked of tables and statements about the bucket, so that the same SQL runs on one machine and on many.

Every big table is cut by ``bucket``: its keys begin with it, and whatever reads or writes it says which one it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.sql_source import SqlRule, Statement, columns_set, migration_statements, tables_read

#: Small tables that hardly ever change: whole on every machine, so without a bucket of their own to be cut by.
REFERENCE = frozenset(
    {
        "configuration",
        "keyring_check",
        "account",
        "connection",
        "endpoint",
        "pool",
        "pool_hook",
        "number",
        "former_number",
        "former_pool",
        "schema_migration",
        "migration_lease",
        "process",
        "keyholder",
        "journal",
    }
)

_CREATED = re.compile(r"^create (?:unlogged )?table (?:if not exists )?(\w+)")


def _big_tables() -> frozenset[str]:
    created = (_CREATED.match(statement.bare) for statement in migration_statements())
    return frozenset(match[1] for match in created if match) - REFERENCE


BIG = _big_tables()

_KEY = re.compile(
    r"(?:constraint \w+ )?(?P<kind>primary key|unique(?: nulls not distinct)?|foreign key) ?\(#(?P<own>\d+)\)"
    r"(?: ?references (?P<other>\w+)(?: ?\(#(?P<there>\d+)\))?)?"
)
_BY_COLUMN = re.compile(r"\b(?:primary key|unique|references)\b")


def _tables_by_bucket(statement: Statement) -> Iterator[str]:
    whole = statement.groups[-1]
    created = re.match(rf"{_CREATED.pattern} ?\(#(?P<body>\d+)\)", whole)
    if created and created[1] not in REFERENCE:
        items = statement.items(created["body"])
        if not any(re.match(r"bucket smallint not null\b", item) for item in items):
            yield f"{created[1]} has no bucket smallint not null"
        if not any(" primary key " in f" {item} " or item.startswith("primary key") for item in items):
            yield f"{created[1]} has no primary key"
        for item in items:
            yield from _keys_by_bucket(statement, item)
    altered = re.match(r"^alter table (?:if exists )?(?:only )?(\w+) (.*)", whole)
    if altered and altered[1] not in REFERENCE:
        for change in re.findall(r"\badd (?:column )?(?:if not exists )?(.*?)(?=, |$)", altered[2]):
            yield from _keys_by_bucket(statement, change)
    index = re.match(r"^create unique index .*?\bon (?:only )?(\w+)(?: using \w+)? ?\(#(\d+)\)", whole)
    if index and index[1] not in REFERENCE and statement.items(index[2])[0] != "bucket":
        yield f"a unique index of {index[1]} does not begin with bucket"


def _keys_by_bucket(statement: Statement, item: str) -> Iterator[str]:
    """What a line of a table's body, or one added to a table, says about keys."""
    key = _KEY.match(item)
    if key and statement.items(key["own"])[0] != "bucket":
        yield f"{item}: the {key['kind']} does not begin with bucket"
    elif key and key["other"] and (not key["there"] or statement.items(key["there"])[0] != "bucket"):
        yield f"{item}: the foreign key does not refer to a bucket"
    elif not key and _BY_COLUMN.search(item):
        yield f"{item}: a key of one column is not in one bucket"


_SAYS = r"bucket = \$\d+(?:::smallint)?(?![\w:])"


def _one_bucket(statement: Statement) -> Iterator[str]:
    for branch in statement.branches:
        big = [(table, name) for table, name in tables_read(branch) if table in BIG]
        for table, name in big:
            plain = r"|(?<![\w.])" if len(big) == 1 else ""
            if not re.search(rf"(?:\b{name}\.{plain}){_SAYS}", branch):
                yield f"{name} ({table}) is read without bucket = $n"
    for table, column in columns_set(statement):
        if column == "bucket" and table not in REFERENCE:
            yield f"{table} is moved to another bucket"
    yield from _written_to_one_bucket(statement)


def _plain_to_see(statement: Statement) -> Iterator[str]:
    text = statement.bare
    if not re.match(r"\(?(?:select|insert|update|delete|with|create table)\b", text) or re.search(
        r"\bmerge into\b", text
    ):
        yield "none of the kinds of statement that these rules can read"
    if '"' in text or re.search(r"\b(?:public|pg_temp)\.", text):
        yield "a table in quotes or with a schema would pass unseen"


def _written_to_one_bucket(statement: Statement) -> Iterator[str]:
    for group in statement.groups:
        insert = re.search(r"\binsert into (\w+)(.*)", group)
        if not insert or insert[1] not in BIG:
            continue
        columns = re.match(r"(?: as \w+)? ?\(#(\d+)\)", insert[2])
        values = re.search(r"\bvalues ?((?:\(#\d+\)(?:, )?)+)", insert[2])
        rows = [statement.items(place)[0] for place in re.findall(r"\d+", values[1])] if values else []
        firsts = rows or [first.strip() for first in re.findall(r"\bselect ([^,]*)", insert[2])]
        if not columns or statement.items(columns[1])[0] != "bucket" or not firsts:
            yield f"the columns given to {insert[1]} do not begin with bucket"
        elif not all(re.fullmatch(r"\$\d+(?:::smallint)?", first) for first in firsts):
            yield f"the bucket given to {insert[1]} is not a parameter"


TABLE_RULES = (
    SqlRule(
        "keys begin with the bucket",
        "a key that spans buckets cannot be kept by machines that each hold some of them",
        _tables_by_bucket,
        [
            "create table t (id uuid not null, primary key (id))",
            "create table t (bucket integer not null, id uuid, primary key (bucket, id))",
            "create table t (bucket smallint, id uuid, primary key (bucket, id))",
            "create table t (bucket smallint not null, id uuid not null)",
            "create table t (bucket smallint not null, id uuid primary key)",
            "create table t (bucket smallint not null, id uuid, primary key (id, bucket))",
            "create table t (bucket smallint not null, id uuid, constraint c primary key (id))",
            "create table t (bucket smallint not null, id uuid unique, primary key (bucket, id))",
            "create table t (bucket smallint not null, a text, primary key (bucket), unique (a, bucket))",
            "create table t (bucket smallint not null, a uuid references account (id), primary key (bucket))",
            "create table t (bucket smallint not null, a uuid, primary key (bucket), foreign key (a) references u (id))",
            "create table t (bucket smallint not null, primary key (bucket), foreign key (bucket, a) references u (a, bucket))",
            "create table t (bucket smallint not null, primary key (bucket), foreign key (bucket, a) references u)",
            "CREATE TABLE IF NOT EXISTS t(bucket smallint not null, id uuid, PRIMARY KEY(id))",
            "create unique index i on message (id)",
            "create unique index concurrently if not exists i on message using btree (lower(name), bucket)",
            "alter table message add constraint c unique (id)",
            "alter table message add column other uuid references account (id)",
            "alter table only message add other uuid unique, add thing int",
        ],
        [
            "create table t (bucket smallint not null, id uuid not null, primary key (bucket, id), check (id > 1))",
            "create table t_default partition of t default",
            "create table account (id uuid primary key, name text unique)",
            "create unique index i on message (bucket, id) where state = 'open'",
            "create index i on message (id)",
            "alter table message add column note text not null default ''",
            "alter table message add constraint c unique (bucket, note)",
        ],
    ),
)

_COPY = "insert into answer as a (bucket, kind) select $1::smallint, t.kind from unnest($2::text[]) as t(kind)"
_JOIN = "select a.id from message m join attempt a on a.message_id = m.id"

BUCKET_RULES = (
    SqlRule(
        "tables are plain to see",
        "a rule that reads text must be able to find the tables in it",
        _plain_to_see,
        [
            "truncate message",
            "merge into message m using t on m.id = t.id when matched then delete",
            "with t as (select 1) merge into message m using t on true when matched then delete",
            "lock table message",
            'select id from "message"',
            "select id from public.message",
        ],
        ["(select 1) union (select 2)", "with t as (select 1) select 1 from t", "select '\"message\"'"],
    ),
    SqlRule(
        "one bucket, named",
        "what does not name its bucket by a plain equality asks every machine, or is refused under a lock",
        _one_bucket,
        [
            "select id from message where id = $1",
            "select id from message where bucket = any ($1) and id = $2",
            "select id from message where bucket > $1",
            "select id from message where $1 = 7",
            "select id from message m where m.bucket = m.other",
            "select id from message where sub_bucket = $1",
            "select id from message where bucket = $1::smallint::int",
            "select m.id from message m join attempt a on a.bucket = m.bucket where m.bucket = $1",
            f"{_JOIN} where a.bucket = $1",
            f"{_JOIN} and bucket = $1",
            "select id from session s where s.bucket = $1 and exists (select 1 from message m where m.session_id = s.id)",
            "select id from session where bucket = $1 union select id from message where id = $2",
            "select s.id, m.id from session s, message m where s.bucket = $1",
            "update message set state = $2 where id = $1",
            "update message set bucket = $1 where id = $2",
            "update message set bucket = $3 where bucket = $1 and id = $2",
            "delete from outbox using s where outbox.id = s.id",
            "delete from outbox o using attempt a where o.bucket = $1 and a.id = o.id",
            "with m as (update message set a = 1 where id = $1 returning id) select id from m",
            "insert into answer (number_id, bucket) values ($1, $2)",
            "insert into answer values ($1, $2)",
            "insert into answer default values",
            "insert into answer (bucket, kind) values (7, $1)",
            "insert into answer (bucket, kind) values ($1, $2), (7, $3)",
            "insert into answer (bucket, kind) select t.bucket, t.kind from unnest($1::smallint[]) as t(bucket, kind)",
            "insert into answer (bucket, kind) select $1, 'a' from t union all select 2, 'b' from t",
            "-- where bucket = $1\nselect id from message where note = 'bucket = $1'",
        ],
        [
            "select id from message where bucket = $1 and id = $2",
            "SELECT m.id FROM message AS m WHERE m.bucket = $1::smallint",
            f"{_JOIN} and a.bucket = $1 where m.bucket = $1",
            "update message set state = v.state from v where message.bucket = $1::smallint and message.id = v.id",
            "(select id from session where bucket = $1) union (select id from message where bucket = $1)",
            f"{_COPY} on conflict (bucket, kind) do update set last_at = excluded.last_at",
            "insert into answer (bucket, kind) values ($1, $2)",
            "insert into answer (bucket, kind) select $1, 'a' from t union all select $1, 'b' from t",
            "select id from pool where account_id = $1 order by id",
        ],
        exempt={
            "leases.renew": "one statement per process and interval, over all buckets that it owns",
            "leases.release": "one statement per process, when it ends",
            "leases.owners": "one look per process and interval at how the buckets are shared",
            "leases.give_back": "one statement per process and interval at most, over buckets of its own",
            "leases.free": "one look per process and interval at the buckets that nobody owns",
            "checkup.workers": "an operator's look over all buckets; reads only, and never on a hot path",
        },
    ),
)
