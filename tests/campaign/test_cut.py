"""The campaign of cuts, tried: some positions of one scenario, and bugs planted for it to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from relay.providers.base import InboundText
from relay.services.audit_log import AuditLog, _mark, _read
from relay.services.inbound import Inbound, Taken
from relay.services.sending import Sending
from relay.storage.configuration import Account, Connection
from relay.storage.outbox import Mark
from relay.wiring import Relay
from tests.campaign.cut import campaign
from tests.campaign.wire import Loss
from tests.services.rig import new_sid

pytestmark = pytest.mark.long


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


class _Hasty(AuditLog):
    """Marks what it has not entered yet."""

    async def _append(self, account: Account, place: int, event_ids: Sequence[UUID]) -> None:
        found = await self.database.run(partial(_read, place, event_ids), single=True)
        await self.database.run(partial(_mark, place, found), single=True)
        await super()._append(account, place, event_ids)


def _hasty(relay: Relay) -> Relay:
    sound = relay.audit_log
    return replace(relay, audit_log=_Hasty(sound.database, sound.configuration, sound.vault, sound.host))


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


@pytest.mark.long
async def test_violations_are_told_when_events_are_marked_before_they_are_entered(dsn: str) -> None:
    async with campaign(dsn, plant=_hasty) as cutting:
        told = await cutting.tell("seal", _begun_or_committed)

    assert not any("uncut" in violation for violation in told.violations)
    assert any("process gone: entries" in violation for violation in told.violations)
