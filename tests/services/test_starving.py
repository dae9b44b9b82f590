"""What one account cannot take from another: the means by which endpoints and hooks are reached."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from relay.providers.lookups import in_threads
from relay.storage.database import Database
from tests.providers.broken_carriers import answering, server
from tests.services.hook_server import rig_on_trial
from tests.services.listening import deliveries, give_out, listen
from tests.services.rig import Rig, make_neighbour
from tests.services.waiting import until

TAKEN = b"HTTP/1.1 204 x\r\n\r\n"


class Names:
    """The system's names: one that ends in hangs.example is not answered while a test lasts, any other is this machine."""

    def __init__(self) -> None:
        self.hanging: list[str] = []
        self.go = threading.Event()

    def __call__(self, host: str, port: int) -> Sequence[str]:
        if host.endswith("hangs.example"):
            self.hanging.append(host)
            self.go.wait(60)
        return ["127.0.0.1"]


async def deliver(rig: Rig) -> None:
    """Post what is due for the account, all endpoints at once."""
    directory = await rig.relay.configuration.current()
    places = [
        (bucket, one.id)
        for bucket in directory.buckets_of(rig.account.id)
        for one in directory.endpoints_of(rig.account.id)
    ]
    await asyncio.gather(*(rig.relay.delivering.deliver(*place) for place in places))


async def test_a_delivery_does_not_wait_when_the_names_of_another_accounts_webhooks_hang(db: Database) -> None:
    names = Names()

    async def enough_hang() -> bool:
        return len(names.hanging) >= 16

    async with server(answering(TAKEN)) as base, rig_on_trial(db, resolver=in_threads(names)) as rig:
        other = await make_neighbour(rig)
        for place in range(20):
            await listen(other, url=base.replace("127.0.0.1", f"{place}.hangs.example"))
        view, _ = await listen(rig, url=base.replace("127.0.0.1", "there.example"))
        for one in (other, rig):
            await one.pool("default", [])
        await give_out(rig)
        hanging = asyncio.create_task(deliver(other))
        await until(enough_hang)
        await asyncio.wait_for(deliver(rig), 3)
        hanging.cancel()
        names.go.set()
        await asyncio.gather(hanging, return_exceptions=True)

        assert set(await deliveries(rig, view.endpoint.id)) == {("delivered", None)}
