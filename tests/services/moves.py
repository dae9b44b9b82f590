"""An observer inside the test's database: it writes down every change of state, and holds it against events and attempts.

It is a trigger, which Relay itself never uses: what the code says about a change cannot hide what the change was. Only
messages, sessions and participants are observed. A test that changes their states by hand makes the observer call it a liar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from relay.core.delivery import FIRST, may_move
from relay.core.model import State
from relay.storage.database import Database

_WATCH = """
create table seen_move (n bigint generated always as identity, kind text, id uuid, before text, after text);
create function see_move() returns trigger language plpgsql as $$
declare
    before text := case when tg_op = 'UPDATE' then to_jsonb(old) ->> tg_argv[1] end;
    after text := to_jsonb(new) ->> tg_argv[1];
begin
    if after is distinct from before then
        insert into seen_move (kind, id, before, after) values (tg_argv[0], new.id, before, after);
    end if;
    return null;
end $$;
create trigger see after insert or update on message for each row execute function see_move('message', 'state');
create trigger see after insert or update on session for each row execute function see_move('session', 'status');
create trigger see after insert or update on participant for each row execute function see_move('participant', 'status');
"""

#: What a move has to tell. Moves between queued and sending have their attempt row instead.
_TOLD = {
    (None, "queued"): "message.received",
    (None, "sending"): "message.received",  # and its attempt row
    ("parked", "queued"): "message.retried",
    (None, "open"): "session.opened",
    ("open", "closed"): "session.closed",
    ("closed", "open"): "session.reopened",
    ("live", "replaced"): "participant.replaced",
}
#: A participant comes and goes with the session, or in the place of one whose leaving is told.
_UNTOLD = {("queued", "sending"), ("sending", "queued"), (None, "live"), ("live", "closed"), ("closed", "live")}


async def watch_moves(db: Database) -> None:
    """Begin to observe."""
    async with db.transaction() as tx:
        await tx.execute(_WATCH)


@asynccontextmanager
async def watched_moves(db: Database) -> AsyncIterator[None]:
    """Observe until the block is left, when everything is held against what was told, and the observer goes."""
    await watch_moves(db)
    yield
    await check_moves(db)
    async with db.transaction() as tx:
        await tx.execute("drop function see_move cascade; drop table seen_move")


async def message_moves(db: Database) -> list[tuple[State | None, State]]:
    """Every move of a message so far, in order; None stands before a new one."""
    async with db.transaction() as tx:
        rows = await tx.fetch("select before, after from seen_move where kind = 'message' order by n")
    return [(State(row["before"]) if row["before"] else None, State(row["after"])) for row in rows]


async def check_moves(db: Database) -> None:
    """Every move is one of the table, and every one of them left exactly one event, or an attempt."""
    async with db.transaction() as tx:
        moves = await tx.fetch("select kind, id, before, after from seen_move order by n")
        events = await tx.fetch(
            "select type, coalesce(message_id, participant_id, session_id) as id from event"
            " where type like 'message.%' or (type like 'session.%' and type <> 'session.expiring')"
            " or type = 'participant.replaced'"
        )
        attempts = await tx.fetch("select message_id, n from attempt")
    told: Counter[tuple[str, UUID]] = Counter()
    begun: Counter[UUID] = Counter()
    for move in moves:
        step = (move["before"], move["after"])
        assert move["kind"] != "message" or _legal(*step), step
        begun[move["id"]] += move["kind"] == "message" and move["after"] == "sending"
        if step not in _UNTOLD:
            told[_TOLD.get(step, f"message.{move['after']}"), move["id"]] += 1
    assert Counter((event["type"], event["id"]) for event in events) == told
    assert Counter(attempt["message_id"] for attempt in attempts) == +begun


def _legal(before: str | None, after: str) -> bool:
    return State(after) in FIRST if before is None else may_move(State(before), State(after))
