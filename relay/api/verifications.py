"""``/v1/verifications``: proving a phone by a code."""

from __future__ import annotations

from typing import Any

from relay.api.answers import gives
from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import CheckBody, VerificationBody
from relay.api.shown import CheckedVerification, StartedVerification
from relay.core import ids
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, public
from relay.core.model import Scope, VerificationPurpose
from relay.core.phone import Phone
from relay.core.times import written
from relay.services.verifications import VerificationWanted


async def start_verification(call: Call) -> Reply:
    body = call.read(VerificationBody)
    try:
        pool = await call.services.pools.find(call.account, body.pool, fresh=False)
    except NotFound:
        raise InvalidInput(Problem("pool", "unknown_pool", "must be the name or id of a pool")) from None
    wanted = VerificationWanted(pool, Phone.parse(body.phone), VerificationPurpose(body.purpose))
    started = await call.services.verifications.start(call.account, wanted, call.seed)
    expires_at = written(started.expires_at)
    return Reply({"id": public(IdKind.VERIFICATION, started.id), "expires_at": expires_at}, 202)


async def check_verification(call: Call) -> Reply:
    verification_id = ids.parse(IdKind.VERIFICATION, call.path["id"])
    checked = await call.services.verifications.check(
        call.account, verification_id, call.read(CheckBody).code, call.seed
    )
    document: dict[str, Any] = {"status": checked.status}
    return Reply(document if checked.token is None else {**document, "token": checked.token})


_S = Scope.SESSIONS
_STARTED = gives(
    StartedVerification,
    *("pool_preparing", "no_number_available", "daily_cap_reached"),
    *("phone_invalid", "phone_kind_refused", "own_number", "country_not_allowed"),
    status=202,
)

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/verifications", _S, start_verification, "Text a code to a phone", VerificationBody,
             answers=_STARTED),
    Endpoint("POST", "/v1/verifications/{id}/check", _S, check_verification, "Is this the code? If so, a token", CheckBody,
             answers=gives(CheckedVerification)),
)
# fmt: on
