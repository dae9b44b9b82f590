"""Guessing: however many codes are tried at once, five are compared and no more."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from uuid import UUID

import pytest

from relay.core.ids import Seed
from relay.core.model import VerificationStatus
from relay.core.verification import MOST_CHECKS, Claim
from relay.services.verifications import Checked
from relay.vault.codes import CodeDigest, Codes
from relay.vault.keyring import Keyring
from tests.services.people import numbers, phone
from tests.services.rig import Rig
from tests.services.verifying import check, code_of, start

pytestmark = pytest.mark.long

AT_ONCE, ROUNDS = 200, 100


class Watched(Codes):
    """Codes, and every guess that was compared with one."""

    def __init__(self, keyring: Keyring) -> None:
        super().__init__(keyring)
        self.compared: set[tuple[UUID, str]] = set()

    def is_right(self, verification_id: UUID, claim: Claim, code: str, stored: CodeDigest) -> bool:
        self.compared.add((verification_id, code))
        return super().is_right(verification_id, claim, code, stored)


async def test_five_guesses_are_compared_when_two_hundred_come_at_once(rig: Rig) -> None:
    """In every other round the right code is among them: approved at most once, and only when it is one of the five."""
    pool = await rig.pool("default", numbers(1))
    watched = Watched(rig.relay.vault.keyring)
    verifications = replace(rig.relay.verifications, vault=replace(rig.relay.vault, codes=watched))
    chance = random.Random(20261121)
    for n in range(ROUNDS):
        started = await start(rig, pool, phone(n))
        code = await code_of(rig, pool, phone(n))
        guesses = [f"{guess:06d}" for guess in chance.sample(range(10**6), AT_ONCE) if guess != int(code)]
        if n % 2:
            guesses[chance.randrange(8)] = code
        now = await rig.relay.database.now()
        seeds = [Seed(now, chance.randbytes(10)) for _ in guesses]
        answers = await asyncio.gather(
            *(
                verifications.check(rig.account, started.id, guess, seed)
                for guess, seed in zip(guesses, seeds, strict=True)
            )
        )

        compared = {guess for verification_id, guess in watched.compared if verification_id == started.id}
        (row,) = await rig.rows("select checks, status from verification where id = $1", started.id)
        approved = [answer for answer in answers if answer.token]
        assert row["checks"] == len(compared) <= MOST_CHECKS
        assert len(approved) == (code in compared)
        assert row["status"] == (VerificationStatus.APPROVED if approved else VerificationStatus.FAILED)
        assert answers.count(Checked(VerificationStatus.PENDING)) == row["checks"] - 1


async def test_nothing_is_compared_when_five_were_counted_and_none_of_them_ended_it(rig: Rig) -> None:
    """A row that the code does not leave behind: the count alone keeps the sixth from being compared."""
    pool = await rig.pool("default", numbers(1))
    started = await start(rig, pool, phone(0))
    code = await code_of(rig, pool, phone(0))
    await rig.rows("update verification set checks = 5 returning id")

    assert await check(rig, started.id, code) == Checked(VerificationStatus.FAILED)
