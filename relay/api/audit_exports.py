"""``/v1/audit/exports``: the log as an evidence pack. The pack is made while it is sent, from the log as it stood when it was
asked for, and lies nowhere: who is interrupted fetches it anew, from its beginning.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from relay import logs
from relay.api.answers import gives
from relay.api.call import Call, Endpoint, Reply, Services
from relay.api.downloads import Links, answering, headers_of
from relay.api.privacy import report_json
from relay.api.schemas import AuditExportBody
from relay.api.shown_records import AuditExport
from relay.core import ids
from relay.core.errors import RelayError
from relay.core.exporting import Period, read_period
from relay.core.ids import IdKind, Seed, public
from relay.core.model import Scope
from relay.core.periods import EXPORTS_FOR
from relay.core.times import written
from relay.evidence.streaming import PackStream
from relay.storage.audit_exports import Export
from relay.storage.configuration import Account

DOWNLOADS = "/v1/audit/downloads/{token}"
_KIND = "application/zip"


@dataclass(frozen=True, slots=True)
class Offer:
    """An export: how many entries are in its pack, and the address where that is fetched until a time."""

    id: UUID
    asked_at: datetime
    entries: int
    address: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Exporting:
    """Exports with their links, for the API and for the console."""

    services: Services

    async def ask(self, account: Account, period: Period, *, key_id: UUID, seed: Seed) -> Offer:
        """Ask for an export. That it was asked for is an event. Raises Conflict when nothing is sealed yet."""
        report = report_json(await self.services.retention.report(account))
        return self._offer(await self.services.audit_exports.ask(account, period, report, key_id=key_id, seed=seed))

    async def read(self, account: Account, export_id: UUID) -> Offer:
        """Raises NotFound for unknown and for foreign ids alike."""
        return self._offer(await self.services.audit_exports.read(account, export_id))

    def _offer(self, e: Export) -> Offer:
        until = e.asked_at + EXPORTS_FOR
        path = DOWNLOADS.replace("{token}", _links(self.services).write(e.id, until))
        return Offer(e.id, e.asked_at, e.end_n - e.first_n, self.services.public_url.rstrip("/") + path, until)


async def ask_for_audit_export(call: Call) -> Reply:
    body = call.read(AuditExportBody)
    period = read_period(body.since, body.until)
    offer = await Exporting(call.services).ask(call.account, period, key_id=call.caller.key_id, seed=call.seed)
    return Reply(offer_json(offer), 201)


async def read_audit_export(call: Call) -> Reply:
    export_id = ids.parse(IdKind.REQUEST, call.path["id"])
    return Reply(offer_json(await Exporting(call.services).read(call.account, export_id)))


def offer_json(offer: Offer) -> dict[str, Any]:
    """An export, and where to fetch its pack."""
    return {
        "id": public(IdKind.REQUEST, offer.id),
        "asked_at": written(offer.asked_at),
        "entries": offer.entries,
        "download": {"url": offer.address, "expires_at": written(offer.until)},
    }


def _links(services: Services) -> Links:
    return Links(services.vault.tokens.download_secret, "relay audit export")


def route(services: Services) -> Route:
    """Where a pack is fetched; no key is asked for: the link is the key."""

    async def found(request: Request) -> Response:
        named = _links(services).read(request.path_params["token"], await services.database.now())
        export = await services.audit_exports.linked(named)
        headers = headers_of(f"{public(IdKind.REQUEST, named)}.zip") | {"accept-ranges": "none"}
        made = _nothing() if request.method == "HEAD" else pieces(services, export)
        return StreamingResponse(made, headers=headers, media_type=_KIND)

    return Route(DOWNLOADS, answering(found))


async def _nothing() -> AsyncIterator[bytes]:
    """How long a pack is, nobody knows before it is made."""
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece


async def pieces(services: Services, export: Export) -> AsyncIterator[bytes]:
    """The pack of an export as a zip, piece by piece. What breaks it off leaves a zip without its end, which no reader takes."""
    exports = services.audit_exports
    try:
        with PackStream(await exports.contents(export)) as pack:
            async for _ in exports.fill(export, pack):
                yield pack.taken()
            yield pack.taken()
    except RelayError as error:
        logs.trouble("export_broke_off", error)
        raise


_A = Scope.AUDIT

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/audit/exports", _A, ask_for_audit_export, "Export the log as an evidence pack", AuditExportBody,
             answers=gives(AuditExport, "log_empty", status=201)),
    Endpoint("GET", "/v1/audit/exports/{id}", _A, read_audit_export, "An export, and where to fetch its pack",
             answers=gives(AuditExport)),
)
# fmt: on
