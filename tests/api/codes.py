"""Codes over the API: asked for, read off the carrier's ledger, said again."""

from __future__ import annotations

from relay.core.ids import IdKind, bucket_of, parse
from tests.api.rig import Api


async def read_code(api: Api, verification: str, e164: str) -> str:
    """The newest code that arrived on a phone, once all that waits has been sent."""
    await api.rig.send_all(bucket_of(parse(IdKind.VERIFICATION, verification)))
    return next(sent.text for sent in reversed(api.rig.carrier.sent) if sent.to == e164)[:6]


async def ask_and_read(api: Api, e164: str) -> tuple[str, str]:
    """A new verification's id, and its code."""
    made = await api.made("/v1/verifications", {"phone": e164, "purpose": "session"})
    return made["id"], await read_code(api, made["id"], e164)


async def token_of(api: Api, e164: str) -> str:
    """The token of a phone that was just proved."""
    verification, code = await ask_and_read(api, e164)
    return str((await api.made(f"/v1/verifications/{verification}/check", {"code": code}))["token"])
