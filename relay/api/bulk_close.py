"""``/v1/sessions/bulk-close``: closing many sessions at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from relay.api.answers import Count, RequestId, Shown, Time, gives
from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import Body, Moment, Name, shown_by
from relay.core import ids
from relay.core.bulk_closing import Progress, SessionsMeant
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.times import written
from relay.storage.bulk_close import Asked


class MeantBody(Body):
    """Open sessions for which all of this holds; at least one must be given."""

    pool: Name | None = None
    unique_name_prefix: Name | None = None
    created_before: Moment | None = None
    idle_since: Moment | None = None


class BulkCloseBody(Body):
    model_config = shown_by({"filter": {"unique_name_prefix": "trip-"}})

    filter: MeantBody
    dry_run: bool = False


class BulkClose(Shown):
    """How far it has come."""

    id: RequestId
    asked_at: Time
    matched: Count
    closed: Count
    remaining: Annotated[int, Field(ge=0, examples=[0])]
    done: Annotated[bool, Field(examples=[True])]


class Matched(Shown):
    """How many it would close. None was."""

    dry_run: Literal[True]
    matched: Count


async def close_many(call: Call) -> Reply:
    body = call.read(BulkCloseBody)
    wanted = body.filter
    pool_id = await _pool_id(call, wanted.pool)
    meant = SessionsMeant(pool_id, wanted.unique_name_prefix, wanted.created_before, wanted.idle_since)
    if body.dry_run:
        return Reply({"dry_run": True, "matched": await call.services.bulk_close.count(call.account, meant)})
    asked_id = await call.services.bulk_close.ask(call.account, meant, call.seed)
    return Reply(progress_json(*await call.services.bulk_close.read(call.account, asked_id)), 202)


async def read_progress(call: Call) -> Reply:
    asked_id = ids.parse(IdKind.REQUEST, call.path["id"])
    return Reply(progress_json(*await call.services.bulk_close.read(call.account, asked_id)))


async def _pool_id(call: Call, pool: str | None) -> UUID | None:
    if pool is None:
        return None
    try:
        return (await call.services.pools.find(call.account, pool)).id
    except NotFound:
        raise InvalidInput(Problem("filter.pool", "unknown_pool", "must be the name or id of a pool")) from None


def progress_json(asked: Asked, progress: Progress) -> dict[str, Any]:
    """How far it has come. What is in flight keeps going, and is not waited for."""
    return {
        "id": public(IdKind.REQUEST, asked.id),
        "asked_at": written(asked.asked_at),
        "matched": progress.matched,
        "closed": progress.closed,
        "remaining": progress.remaining,
        "done": progress.is_done,
    }


_S = Scope.SESSIONS

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/sessions/bulk-close", _S, close_many, "Close many; dry_run: how many", BulkCloseBody,
             answers=gives(BulkClose, status=202, otherwise=gives(Matched))),
    Endpoint("GET", "/v1/sessions/bulk-close/{id}", _S, read_progress, "How far that has come",
             answers=gives(BulkClose)),
)
# fmt: on
