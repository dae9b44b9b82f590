"""People who prove their phones: codes sent, read off the carrier's ledger, and said again."""

from __future__ import annotations

import re
from uuid import UUID

from relay.core.ids import Seed
from relay.core.model import VerificationPurpose
from relay.core.phone import Phone
from relay.services.verifications import Checked, Started, VerificationWanted
from relay.storage.configuration import Pool
from tests.services.rig import Rig

SESSION, PRIVACY = VerificationPurpose.SESSION, VerificationPurpose.PRIVACY


async def start(
    rig: Rig, pool: Pool, e164: str, purpose: VerificationPurpose = SESSION, *, seed: Seed | None = None
) -> Started:
    wanted = VerificationWanted(pool, Phone.parse(e164), purpose)
    return await rig.relay.verifications.start(rig.account, wanted, seed or await rig.seed())


async def code_of(rig: Rig, pool: Pool, e164: str) -> str:
    """The newest code that arrived on a phone, once all that waits has been sent."""
    await rig.send_all(pool.bucket)
    text = next(sent.text for sent in reversed(rig.carrier.sent) if sent.to == e164)
    found = re.match(r"([0-9]{6}) is your code", text)
    assert found is not None, text
    return found[1]


async def check(rig: Rig, verification_id: UUID, code: str, *, seed: Seed | None = None) -> Checked:
    return await rig.relay.verifications.check(rig.account, verification_id, code, seed or await rig.seed())


async def proof(rig: Rig, pool: Pool, e164: str, purpose: VerificationPurpose = SESSION) -> str:
    """The token of a phone that was just proved."""
    started = await start(rig, pool, e164, purpose)
    checked = await check(rig, started.id, await code_of(rig, pool, e164))
    assert checked.token is not None
    return checked.token


def another(code: str) -> str:
    """A code that it is not."""
    return f"{(int(code) + 1) % 10**6:06d}"


async def told(rig: Rig, verification_id: UUID) -> list[tuple[object, object]]:
    """What the events say of a verification."""
    rows = await rig.rows(
        "select type, reason from event where verification_id = $1 order by at, case type when 'verification.started'"
        " then 1 else 2 end",
        verification_id,
    )
    return [(str(row["type"]).removeprefix("verification."), row["reason"]) for row in rows]
