"""The campaign of cuts, tried: some positions of one scenario, and bugs planted for it to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from relay.providers.base import InboundText
from relay.services.inbound import Inbound, Taken
from relay.services.sending import Sending
from relay.storage.configuration import Connection
from relay.storage.outbox import Mark
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
    bad = _Forgetful(sound.database, sound.configuration, sound.vault, sound.commands, sound.queued, sound.copies)
    return replace(relay, inbound=bad)


class _Careless(Sending):
    """Does not take back what it began unseen."""

    async def _take_back(self, bucket: int, marks: Sequence[Mark]) -> None:
        return


def _careless(relay: Relay) -> Relay:
    sound = relay.sending
    bad = _Careless(
        sound.database,
        sound.configuration,
        sound.vault,
        sound.adapters,
        sound.transport,
        sound.settings,
        sound.spread,
        sound.copies,
    )
    return replace(relay, sending=bad)


def _begun_or_committed(marks: Sequence[str]) -> list[int]:
    """The answers to BEGIN and COMMIT, which alone are asked as plain queries."""
    return [at for at in range(2, len(marks) + 1) if tuple(marks[at - 2 : at]) == (">Q", "<C")]


def _answered(marks: Sequence[str]) -> list[int]:
    """The first answer to each statement; one by itself is committed by then."""
    return [at for at in range(2, len(marks) + 1) if tuple(marks[at - 2 : at]) == (">S", "<2")]


async def test_the_world_is_right_when_an_inbound_text_is_cut_at_every_ninth_message(dsn: str) -> None:
    async with campaign(dsn) as cutting:
        told = await cutting.tell("inbound", lambda marks: range(1, len(marks) + 1, 9))

    assert told.violations == []
    assert told.reached == told.wanted > 10
    assert told.losses[Loss.UNDONE] > 0


async def test_violations_are_told_when_repeated_webhooks_are_taken_for_new(dsn: str) -> None:
    async with campaign(dsn, plant=_forgetful) as cutting:
        told = await cutting.tell("inbound", _begun_or_committed)

    assert not any("uncut" in violation for violation in told.violations)
    assert any("process gone: texts at the carrier" in violation for violation in told.violations)


async def test_violations_are_told_when_what_was_begun_unseen_is_not_taken_back(dsn: str) -> None:
    async with campaign(dsn, plant=_careless) as cutting:
        told = await cutting.tell("send", _answered)

    assert told.losses[Loss.UNSEEN] > 0
    assert any("process lives: sends that nobody answers for: 1" in violation for violation in told.violations)
