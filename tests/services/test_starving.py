"""What one account cannot take from another: the means by which endpoints and hooks are reached."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence

from relay.core.errors import TooMany
from relay.providers.lookups import in_threads
from relay.storage.database import Database
from tests.providers.broken_carriers import answering, says_nothing, server
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
        await until(enough_hang, within=30)
        await asyncio.wait_for(deliver(rig), 10)
        hanging.cancel()
        names.go.set()
        await asyncio.gather(hanging, return_exceptions=True)

        assert set(await deliveries(rig, view.endpoint.id)) == {("delivered", None)}


async def test_a_trial_does_not_wait_when_another_account_tries_out_a_webhook_that_hangs(
    db: Database,
) -> None:
    async with server(says_nothing) as mute, server(answering(TAKEN)) as base, rig_on_trial(db) as rig:
        other = await make_neighbour(rig)
        silent, _ = await listen(other, url=mute)
        view, _ = await listen(rig, url=base)
        trials = [asyncio.create_task(other.relay.webhooks.test(other.account, silent.endpoint.id)) for _ in range(200)]

        async def all_but_four() -> bool:
            return sum(task.done() for task in trials) == 196

        await until(all_but_four, within=20)
        answer = await asyncio.wait_for(rig.relay.webhooks.test(rig.account, view.endpoint.id), 10)
        for task in trials:
            task.cancel()
        ended = await asyncio.gather(*trials, return_exceptions=True)
        again = await rig.relay.webhooks.test(rig.account, view.endpoint.id)

    assert (answer.status, again.status) == (204, 204)
    assert Counter(type(end) for end in ended) == {TooMany: 196, asyncio.CancelledError: 4}
