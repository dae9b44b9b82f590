"""The campaign of cuts, tried: every fifth position of one scenario, and a bug planted for it to find."""

from __future__ import annotations

from dataclasses import replace

from relay.providers.base import InboundText
from relay.services.inbound import Inbound, Taken
from relay.storage.configuration import Connection
from relay.wiring import Relay
from tests.campaign.cut import campaign
from tests.campaign.wire import Loss
from tests.services.rig import new_sid


class _Forgetful(Inbound):
    """Takes every webhook for a new one."""

    async def receive(self, connection: Connection, text: InboundText) -> Taken:
        return await super().receive(connection, replace(text, provider_id=new_sid()))


def _forgetful(relay: Relay) -> Relay:
    sound = relay.inbound
    bad = _Forgetful(sound.database, sound.configuration, sound.vault, sound.commands, sound.queued)
    return replace(relay, inbound=bad)


async def test_the_world_is_right_when_an_inbound_text_is_cut_at_every_fifth_message(dsn: str) -> None:
    async with campaign(dsn) as cutting:
        told = await cutting.tell("inbound", lambda count: range(1, count + 1, 5))

    assert told.violations == []
    assert told.reached == told.wanted > 10
    assert told.losses[Loss.UNDONE] > 0


async def test_violations_are_told_when_repeated_webhooks_are_taken_for_new(dsn: str) -> None:
    async with campaign(dsn, plant=_forgetful) as cutting:
        uncut = await cutting.tell("inbound", lambda count: [])
        cut = await cutting.tell("inbound", lambda count: range(count - 16, count + 1, 4))

    assert uncut.violations == []
    assert any("process gone: texts at the carrier" in violation for violation in cut.violations)
