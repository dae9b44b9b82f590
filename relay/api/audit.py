"""``/v1/audit``: the account's log, for whoever shall check it without trusting us.

``checkpoint`` and ``tile`` are laid out as https://c2sp.org/tlog-tiles has it, with this address as the log's prefix; a proof is
a text of https://c2sp.org/tlog-proof. Entries come with the salt that their leaf was made with.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from relay.api.answers import Raw, gives
from relay.api.call import Call, Endpoint, RawReply, Reply, limit_of
from relay.api.cursors import Cursors
from relay.api.parameters import LIST, Instant, Parameter
from relay.api.shown_records import AuditEntryPage, AuditKeyPage
from relay.core import ids, tiles
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind
from relay.core.model import Scope
from relay.core.notes import in_base64
from relay.core.times import read_time, written
from relay.storage.audit_reading import Entry, SigningKey, Wanted

_TEXT, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"
_REFERENCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_WORD = re.compile(r"[a-z]+[a-z_.]{0,59}", re.ASCII)
_WHICH = "audit entries"


async def read_audit_checkpoint(call: Call) -> RawReply:
    asked = call.query.get("witnessed", "false")
    if asked not in {"true", "false"}:
        raise InvalidInput(Problem("witnessed", "invalid", "must be true or false"))
    await _note(call)
    heads = call.services.audit_witnesses if asked == "true" else call.services.audit_reading
    return RawReply((await heads.checkpoint(call.account)).encode(), _TEXT)


async def read_audit_tile(call: Call) -> RawReply:
    tile = tiles.parse(call.path["path"])
    await _note(call)
    return RawReply(await call.services.audit_reading.tile(call.account, tile), _BYTES)


async def read_audit_proof(call: Call) -> RawReply:
    ref = call.query.get("entry", "")
    if not _REFERENCE.fullmatch(ref):
        raise InvalidInput(Problem("entry", "invalid", "must be the id of an entry"))
    await _note(call)
    return RawReply((await call.services.audit_reading.proof(call.account, ref)).encode(), _TEXT)


async def list_audit_entries(call: Call) -> Reply:
    limit, session, reader = limit_of(call), call.query.get("session"), call.services.audit_reading
    cursors = Cursors(call.services.vault.tokens.cursor_secret)
    after = cursors.read(_WHICH, call.account.id, call.query.get("cursor"))
    is_reference = session is not None and bool(_REFERENCE.fullmatch(session))
    wanted = Wanted(
        session_ref=session if is_reference else None,
        type=_word(call, "type"),
        reason=_word(call, "reason"),
        since=_time(call, "since"),
        until=_time(call, "until"),
        before=after.int if after else None,
    )
    session_id = None if session is None or is_reference else _session(session)
    await _note(call)
    found = await reader.entries(call.account, wanted, session_id=session_id, limit=limit + 1)
    more = cursors.write(_WHICH, call.account.id, UUID(int=found[limit - 1].n)) if len(found) > limit else None
    return Reply({"data": [entry_json(entry) for entry in found[:limit]], "next_cursor": more})


async def list_audit_keys(call: Call) -> Reply:
    await _note(call)
    keys = await call.services.audit_reading.keys(call.account)
    return Reply({"data": [key_json(key) for key in keys], "next_cursor": None})


async def _note(call: Call) -> None:
    await call.services.audit_reading.note(call.account, call.caller.key_id)


def _session(given: str) -> UUID:
    try:
        return ids.parse(IdKind.SESSION, given)
    except NotFound:
        raise InvalidInput(Problem("session", "invalid", "must be a session's id or its reference")) from None


def _word(call: Call, name: str) -> str | None:
    given = call.query.get(name)
    if given is not None and not _WORD.fullmatch(given):
        raise InvalidInput(Problem(name, "invalid", "must be a word that entries have"))
    return given


def _time(call: Call, name: str) -> datetime | None:
    given = call.query.get(name)
    return None if given is None else read_time(name, given)


def entry_json(e: Entry) -> dict[str, Any]:
    """An entry. ``record`` is the very text that was hashed; None, like ``salt``, when it is erased."""
    return {
        "index": e.n,
        "id": e.entry_ref,
        "record": e.record.decode() if e.record else None,
        "salt": in_base64(e.salt) if e.salt else None,
    }


def key_json(k: SigningKey) -> dict[str, Any]:
    """A key that has signed heads, from ``first_size`` entries on."""
    return {"number": k.key_id, "key": k.verifier, "first_size": k.first_size, "first_at": written(k.first_at)}


_A = Scope.AUDIT
_FILTERS = {
    "session": Parameter("of one session: its id, or the reference that entries have"),
    "type": Parameter(
        "one type of event", Annotated[str, Field(pattern=_WORD.pattern, examples=["message.delivered"])]
    ),
    "reason": Parameter("one reason", Annotated[str, Field(pattern=_WORD.pattern, examples=["opted_out"])]),
    "since": Parameter("from this time on", Instant),
    "until": Parameter("before this time", Instant),
}
_WITNESSED = {
    "witnessed": Parameter(
        "true: the newest head that a witness has signed, with every witness's line",
        Annotated[str, Field(pattern="^(true|false)$", examples=["true"])],
    )
}
_ENTRY = {"entry": Parameter("the entry's id", Annotated[str, Field(pattern=_REFERENCE.pattern)], required=True)}
_HEAD = Raw(_TEXT, "relay.example/acc_...\n12\nj3Yq...=\n\n\u2014 relay.example/acc_... 6a1f...\n")
_PROOF = Raw(_TEXT, "c2sp.org/tlog-proof@v1\nindex 7\nj3Yq...=\n\nrelay.example/acc_...\n12\n...")

# fmt: off
ENDPOINTS = (
    Endpoint("GET", "/v1/audit/checkpoint", _A, read_audit_checkpoint, "The log's signed head (C2SP checkpoint)",
             query=_WITNESSED, answers=gives(_HEAD, "not_found")),
    Endpoint("GET", "/v1/audit/tile/{path:path}", _A, read_audit_tile, "A tile of the log (C2SP tlog-tiles)",
             answers=gives(Raw(_BYTES))),
    Endpoint("GET", "/v1/audit/proof", _A, read_audit_proof, "That an entry is in the log (C2SP tlog-proof)", query=_ENTRY,
             answers=gives(_PROOF, "not_found")),
    Endpoint("GET", "/v1/audit/entries", _A, list_audit_entries, "Entries of the log, newest first",
             query={**LIST, **_FILTERS}, answers=gives(AuditEntryPage)),
    Endpoint("GET", "/v1/audit/keys", _A, list_audit_keys, "Which keys have signed the log's heads, and since when",
             answers=gives(AuditKeyPage)),
)
# fmt: on
