"""An account that listens: its endpoints made, events given out and posted until nothing is left to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from relay.core.webhooks import TEST_TYPE
from relay.services.webhooks import EndpointView
from tests.services.rig import Rig

URL = "https://market.example/relay?token=abc089"


async def listen(rig: Rig, events: Sequence[str] = ("*",), *, url: str = URL) -> tuple[EndpointView, str]:
    """Make an endpoint; what happens from now on is told."""
    made = await rig.relay.webhooks.add(rig.account, url, list(events), await rig.seed())
    rig.later(milliseconds=1)
    return made


async def give_out(rig: Rig) -> int:
    """Number what is new in every bucket, and make the deliveries; says how much was new."""
    done = 0
    for bucket in sorted((await rig.relay.configuration.refreshed()).endpoints_by_bucket):
        while found := await rig.relay.telling.tell_new(bucket):
            done += found
    return done


async def post(rig: Rig) -> int:
    """Post what is due now, in every bucket; says how many tries there were."""
    done = 0
    for bucket in sorted((await rig.relay.configuration.refreshed()).endpoints_by_bucket):
        for endpoint_id in await rig.relay.delivering.with_due(bucket):
            while tried := await rig.relay.delivering.deliver(bucket, endpoint_id):
                done += tried
    return done


async def tell(rig: Rig) -> int:
    await give_out(rig)
    return await post(rig)


async def deliveries(rig: Rig, endpoint_id: UUID | None = None) -> Counter[tuple[str, str | None]]:
    """State and failure of every delivery."""
    rows = await rig.rows(
        "select state, failure from delivery where $1::uuid is null or endpoint_id = $1::uuid", endpoint_id
    )
    return Counter((str(row["state"]), row["failure"]) for row in rows)  # type: ignore[misc]  # a column


def types(rig: Rig) -> list[str]:
    """What the customers were told, in the order in which it came; without tests."""
    return [told.event["type"] for told in rig.customers.posts if told.event["type"] != TEST_TYPE]
