"""Whole stories of texts, from arrival to their end: what happens, how each text moves, and what is told of it.

Each story is played by the services themselves, in a session that is open for a week. ``test_events`` plays them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from relay.core.model import OnAmbiguous, Reason
from relay.core.rules import Rule
from relay.providers.base import ReceiptWord
from relay.services.texts import TextWanted
from tests.services.carrier import lost_answer, refusal, unreachable
from tests.services.people import CAROL, number
from tests.services.rig import Talk


async def both_ways(talk: Talk) -> None:
    await talk.say("hello")
    await talk.say("hello yourself", slot=2)
    await talk.rig.send_all(talk.bucket)
    await talk.rig.receipt(talk.rig.carrier.sent[0], ReceiptWord.DELIVERED)


async def closed_while_waiting(talk: Talk) -> None:
    await talk.say("hello")
    for _ in range(2):
        await talk.rig.relay.sessions.close(talk.rig.account, talk.id)


async def closed_and_reopened(talk: Talk) -> None:
    seed = await talk.rig.seed()
    await talk.rig.relay.sessions.close(talk.rig.account, talk.id)
    for _ in range(2):
        await talk.rig.reopen(talk, seed=seed)
    await talk.say("hello again")
    await talk.rig.send_all(talk.bucket)


async def replaced_while_waiting(talk: Talk) -> None:
    await talk.say("hello")
    seed = await talk.rig.seed()
    for _ in range(2):
        await talk.rig.replace(talk.view, 2, CAROL, seed=seed)


async def greeted(talk: Talk) -> None:
    """In another session, whose two people are greeted before it closes."""
    view = await talk.rig.session(talk.pool, CAROL, talk.other, greeting=True)
    await talk.rig.send_all(talk.bucket)
    await talk.rig.relay.sessions.close(talk.rig.account, view.session.id)


async def session_expires(talk: Talk) -> None:
    await talk.say("hello")
    talk.rig.later(days=8)
    for _ in range(2):
        await talk.rig.relay.expiry.end_sessions(talk.bucket)


async def door_comes_too_late(talk: Talk) -> None:
    await talk.say("hello")
    talk.rig.later(days=8)
    await talk.rig.send_all(talk.bucket)


async def text_expires(talk: Talk) -> None:
    await talk.say("hello")
    talk.rig.later(hours=5)
    for _ in range(2):
        await talk.rig.relay.expiry.expire_texts(talk.bucket)


async def stop_then_start(talk: Talk) -> None:
    await talk.say("hello")
    for word in ("STOP", "STOP", "START"):
        await talk.say(word, slot=2)
    await talk.say("hello again")
    await talk.rig.send_all(talk.bucket)


async def receipt_outruns_the_answer(talk: Talk) -> None:
    await talk.say("hello")
    (intent,) = await talk.rig.begin(talk.bucket)
    handed = await talk.rig.relay.sending.hand_over(intent, lease_until=float("inf"))
    for _ in range(2):
        await talk.rig.receipt(talk.rig.carrier.sent[0], ReceiptWord.DELIVERED)
        await talk.rig.relay.sending.settle(talk.bucket, handed)


async def receipts_out_of_order(talk: Talk) -> None:
    await talk.say("hello")
    await talk.rig.send_all(talk.bucket)
    for word in (ReceiptWord.UNDELIVERED, ReceiptWord.ACCEPTED, ReceiptWord.DELIVERED, ReceiptWord.UNKNOWN):
        await talk.rig.receipt(talk.rig.carrier.sent[0], word, Reason.UNREACHABLE)


async def waits_and_tries_again(talk: Talk) -> None:
    await talk.say("hello")
    talk.rig.carrier.answer = unreachable
    for _ in range(2):
        await talk.rig.send_all(talk.bucket)
        talk.rig.later(seconds=10)
    talk.rig.carrier.answer = None
    await talk.rig.send_all(talk.bucket)


async def carrier_says_no(talk: Talk) -> None:
    await talk.say("hello")
    talk.rig.carrier.answer = lambda _: refusal(30007)
    await talk.rig.send_all(talk.bucket)


async def fate_stays_unknown(talk: Talk) -> UUID:
    """Not a story of its own: how a text comes to be parked."""
    await talk.say("hello")
    talk.rig.carrier.answer = lost_answer
    await talk.rig.send_all(talk.bucket)
    talk.rig.carrier.answer = None
    talk.rig.later(seconds=121)
    await talk.rig.relay.ambiguity.look(talk.bucket)
    (message,) = await talk.rig.relay.texts.of_session(talk.rig.account, talk.id, limit=5, before=None)
    return message.id


async def parked_and_retried(talk: Talk) -> None:
    await talk.rig.relay.texts.retry(talk.rig.account, await fate_stays_unknown(talk), await talk.rig.seed())
    await talk.rig.send_all(talk.bucket)


async def parked_and_discarded(talk: Talk) -> None:
    await talk.rig.relay.texts.discard(talk.rig.account, await fate_stays_unknown(talk), await talk.rig.seed())
    await talk.rig.receipt(talk.rig.carrier.asked[0], ReceiptWord.DELIVERED)


async def parked_and_forgotten(talk: Talk) -> None:
    await fate_stays_unknown(talk)
    talk.rig.later(hours=73)
    for _ in range(2):
        await talk.rig.relay.expiry.expire_parked(talk.bucket)


async def parked_and_found_by_a_receipt(talk: Talk) -> None:
    await fate_stays_unknown(talk)
    await talk.rig.receipt(talk.rig.carrier.asked[0], ReceiptWord.ACCEPTED)
    await talk.rig.receipt(talk.rig.carrier.asked[0], ReceiptWord.DELIVERED)


async def sent_twice_by_choice(talk: Talk) -> None:
    await talk.rig.relay.accounts.change(talk.rig.account.id, {"on_ambiguous": OnAmbiguous.RESEND})
    await fate_stays_unknown(talk)
    await talk.rig.send_all(talk.bucket)


async def own_receipt_comes_before_the_second_try(talk: Talk) -> None:
    await talk.rig.relay.accounts.change(talk.rig.account.id, {"on_ambiguous": OnAmbiguous.RESEND})
    await fate_stays_unknown(talk)
    await talk.rig.receipt(talk.rig.carrier.asked[0], ReceiptWord.DELIVERED)


async def process_vanishes(talk: Talk) -> None:
    await talk.say("hello")
    await talk.rig.begin(talk.bucket)
    talk.rig.later(seconds=61)
    epoch = await talk.rig.epoch(talk.bucket)
    await talk.rig.relay.ambiguity.declare(talk.bucket, epoch=epoch, begun_before=timedelta(seconds=60))
    talk.rig.later(seconds=121)
    await talk.rig.relay.ambiguity.look(talk.bucket)


async def heard_twice(talk: Talk) -> None:
    for _ in range(3):
        await talk.say("hello", sid="SM1")
    await talk.rig.send_all(talk.bucket)


async def platform_writes(talk: Talk) -> None:
    seed = await talk.rig.seed()
    for _ in range(2):
        wanted = TextWanted(talk.id, talk.view.participants[0].id, "It is near")
        await talk.rig.relay.texts.send(talk.rig.account, wanted, seed)
    await talk.rig.send_all(talk.bucket)


async def platform_writes_for_later(talk: Talk) -> None:
    for minutes in (10, 20):
        send_at = await talk.rig.relay.database.now() + timedelta(minutes=minutes)
        wanted = TextWanted(talk.id, talk.view.participants[0].id, "It is near", send_at=send_at)
        await talk.rig.relay.texts.send(talk.rig.account, wanted, await talk.rig.seed())
    talk.rig.later(minutes=10)
    for _ in range(2):
        await talk.rig.relay.scheduling.release(talk.bucket)
        await talk.rig.send_all(talk.bucket)
    await talk.say("STOP")


async def end_draws_near(talk: Talk) -> None:
    talk.rig.later(days=7, seconds=-599)
    for _ in range(2):
        await talk.rig.relay.expiry.tell_expiring(talk.bucket)


async def photo_and_help(talk: Talk) -> None:
    await talk.say("", media=1)
    await talk.say("HELP")
    await talk.rig.send_all(talk.bucket)


async def words_of_rules(talk: Talk) -> None:
    rules = [Rule("JOIN", "Welcome aboard.", event=True), Rule("LATER", event=True), Rule("MORE", "Of what?")]
    await talk.rig.relay.pools.change(talk.rig.account, "default", rules=rules)
    for rule in rules:
        await talk.say(rule.keyword)
    await talk.rig.send_all(talk.bucket)


async def nobody_is_there(talk: Talk) -> None:
    await talk.rig.text(talk.one, number(99), "hello")


@dataclass(frozen=True, slots=True)
class Told:
    """How each text moved, and what was told of it, in the order of arrival; how each session moved, and how many people were
    replaced."""

    paths: list[str]
    events: list[str]
    sessions: tuple[str, ...] = ("open",)
    replaced: int = 0


_SENT = "queued sending accepted"
_TOLD = "received accepted"
_CLOSED = ("open closed",)

STORIES: Mapping[str, tuple[Callable[[Talk], Awaitable[None]], Told]] = {
    "both ways": (both_ways, Told([f"{_SENT} delivered", _SENT], [f"{_TOLD} delivered", _TOLD])),
    "closed": (closed_while_waiting, Told(["queued refused"], ["received refused"], _CLOSED)),
    "reopened": (closed_and_reopened, Told([_SENT], [_TOLD], ("open closed open",))),
    "replaced": (replaced_while_waiting, Told(["queued refused"], ["received refused"], replaced=1)),
    "greeted": (greeted, Told([_SENT] * 2, [_TOLD] * 2, ("open", "open closed"))),
    "session expires": (session_expires, Told(["queued refused"], ["received refused"], _CLOSED)),
    "late at the door": (door_comes_too_late, Told(["queued refused"], ["received refused"])),
    "text expires": (text_expires, Told(["queued expired"], ["received expired"])),
    "STOP and START": (
        stop_then_start,
        Told(["queued refused", *["refused"] * 3, _SENT], ["received refused", *["refused"] * 3, _TOLD]),
    ),
    "early receipt": (receipt_outruns_the_answer, Told(["queued sending delivered"], ["received delivered"])),
    "late receipts": (receipts_out_of_order, Told([f"{_SENT} undelivered"], [f"{_TOLD} undelivered"])),
    "backoff": (waits_and_tries_again, Told([f"queued sending queued sending {_SENT}"], [_TOLD])),
    "carrier refuses": (carrier_says_no, Told(["queued sending refused"], ["received refused"])),
    "retried": (
        parked_and_retried,
        Told([f"queued sending parked {_SENT}"], ["received parked retried accepted"]),
    ),
    "discarded": (parked_and_discarded, Told(["queued sending parked refused"], ["received parked refused"])),
    "parked too long": (parked_and_forgotten, Told(["queued sending parked expired"], ["received parked expired"])),
    "found": (
        parked_and_found_by_a_receipt,
        Told(["queued sending parked accepted delivered"], ["received parked accepted delivered"]),
    ),
    "resent": (sent_twice_by_choice, Told([f"queued sending {_SENT}"], [_TOLD])),
    "found before resent": (
        own_receipt_comes_before_the_second_try,
        Told(["queued sending queued delivered"], ["received delivered"]),
    ),
    "process gone": (process_vanishes, Told(["queued sending parked"], ["received parked"])),
    "heard twice": (heard_twice, Told([_SENT], [_TOLD])),
    "platform": (platform_writes, Told([_SENT], [_TOLD])),
    "platform, later": (
        platform_writes_for_later,
        Told([_SENT, "queued refused", "refused"], [_TOLD, "received refused", "refused"]),
    ),
    "end draws near": (end_draws_near, Told([], [])),
    "photo and HELP": (
        photo_and_help,
        Told(["refused", _SENT, "refused", _SENT], ["refused", _TOLD, "refused", _TOLD]),
    ),
    "words of rules": (
        words_of_rules,
        Told(
            ["refused", _SENT, "refused", "refused", _SENT],
            ["refused matched", _TOLD, "refused matched", "refused", _TOLD],
        ),
    ),
    "no such number": (nobody_is_there, Told(["refused"], ["refused"])),
}
