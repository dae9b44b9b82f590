"""What the marketplace's server was told and asked, and which events there were: those the database says, for it is them
that webhooks must not miss."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID

from relay.core.ids import IdKind, public
from tests.campaign.customer import WEBHOOKS, Customer
from tests.campaign.history import Happened, History
from tests.campaign.world import World

_WITHIN = 30.0  # seconds after the last text. What failed twice is tried again after five minutes, and is left waiting
_TOLD = """
    e.at > (select max(created_at) from endpoint) and split_part(e.type, '.', 1) not in ('audit', 'key', 'keyring')
"""
#: What has no number yet, and what the webhook that works is still to be posted within the next seconds.
_UNTOLD = f"""
select (select count(*) from event e left join numbered_event n on n.event_id = e.id where {_TOLD} and n.event_id is null)
     + (select count(*) from delivery d
         where d.endpoint_id = $1::uuid and d.state = 'waiting' and d.due_at < now() + interval '7 seconds')
"""
_HAPPENED = f"""
select e.id, e.type, e.session_id, n.n, json_object_agg(d.endpoint_id, d.state) filter (where d.endpoint_id is not null) as told
  from event e left join numbered_event n on n.event_id = e.id left join delivery d on d.event_id = e.id
 where {_TOLD} and (n.event_id is not null or e.at < $1::timestamptz)
 group by e.id, e.type, e.session_id, n.n
"""


async def see_what_was_told(history: History, world: World, customer: Customer) -> None:
    """Wait until there is nothing to tell but what failed, or half a minute; then look."""
    until = time.monotonic() + _WITHIN
    ended = (await world.query("select now()"))[0][0]
    works = next(one for one, name in customer.endpoints.items() if name == "works")
    while (await world.query(_UNTOLD, works))[0][0] and time.monotonic() < until:  # noqa: ASYNC110 - other processes work
        await asyncio.sleep(0.3)
    looked, rows = time.time(), await world.query(_HAPPENED, ended)
    history.webhooks = {name: list(events) for name, events in WEBHOOKS.items()}
    history.happened = [
        Happened(
            event=public(IdKind.EVENT, row["id"]),
            type=row["type"],
            session=_session(row["session_id"]),
            sequence=row["n"],
            deliveries={customer.endpoints[one]: state for one, state in json.loads(row["told"] or "{}").items()},
        )
        for row in rows
    ]
    # What the look shows as delivered has come by now; what happened after it has not happened yet.
    known = {happened.event for happened in history.happened}
    history.told = [told for told in customer.told if told.event in known or told.at < looked]
    history.asked = list(customer.asked)
    history.leaks += customer.leaks


def _session(row_id: UUID | None) -> str:
    return public(IdKind.SESSION, row_id) if row_id else ""
