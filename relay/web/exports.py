"""The export button: somebody asks for an evidence pack of certain days, and is shown where it is fetched.

The page does not know how a pack is made, nor how its link is signed: ``Exports`` does, which writes the event, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from starlette.responses import Response

from relay.core import ids
from relay.core.errors import Conflict, NotAuthenticated, NotFound
from relay.core.exporting import Period
from relay.core.ids import ENTROPY_BYTES, IdKind, Seed, public
from relay.services.keys import Caller
from relay.storage.configuration import Account
from relay.web.cookies import Session
from relay.web.filters import DAYS, read_wanted, shown_again, times_of
from relay.web.house import House, Visit
from relay.web.pages import Pages

EXPORTS = "/console/audit/exports"
EXPORT = f"{EXPORTS}/{{id}}"


class Offer(Protocol):
    """An export: how many entries are in its pack, and the address where that is fetched until a time."""

    @property
    def id(self) -> UUID: ...
    @property
    def entries(self) -> int: ...
    @property
    def address(self) -> str: ...
    @property
    def until(self) -> datetime: ...


class Exports(Protocol):
    """Exports of accounts' logs."""

    async def ask(self, account: Account, period: Period, *, key_id: UUID, seed: Seed) -> Offer:
        """For who asks with this key. Raises Conflict when nothing is sealed yet."""
        ...

    async def read(self, account: Account, export_id: UUID) -> Offer:
        """Raises NotFound for unknown and for foreign ids alike."""
        ...


async def ask(exports: Exports | None, visit: Visit, house: House, pages: Pages) -> Response:
    """Make an export of the days that the form says, and go on at its page."""
    caller, session = _who(visit)
    period, problems = read_days(visit.fields)
    if problems:
        return _form_again(visit, session, pages, problems)
    if exports is None:
        return _nothing_yet(pages)
    seed = Seed(await house.database.now(), secrets.token_bytes(ENTROPY_BYTES))
    try:
        offer = await exports.ask(caller.account, period, key_id=caller.key_id, seed=seed)
    except Conflict:
        return _nothing_yet(pages)
    return pages.elsewhere(EXPORT.replace("{id}", public(IdKind.REQUEST, offer.id)))


async def show(exports: Exports | None, visit: Visit, _: House, pages: Pages) -> Response:
    """Where the pack of an export is fetched, and what to do with it."""
    (caller, _session), name = _who(visit), visit.request.path_params["id"]
    try:
        if exports is None:
            raise NotFound
        offer = await exports.read(caller.account, ids.parse(IdKind.REQUEST, name))
    except NotFound:
        return pages.trouble(404, "No such export", "There is none by this name, or its seven days are over.")
    return pages.show("export.html", account=caller.account.name, offer=offer, file=f"{name}.zip")


def read_days(fields: Mapping[str, str]) -> tuple[Period, dict[str, str]]:
    """The days that a form asks for, both whole by UTC, and field by field what is wrong with them. Empty: without that end."""
    wanted, problems = read_wanted({name: fields.get(name, "") for name in DAYS})
    return Period(*times_of(wanted)), problems


def _form_again(visit: Visit, session: Session, pages: Pages, problems: Mapping[str, str]) -> Response:
    return pages.show(
        "export_again.html",
        status=422,
        form_token=visit.cookies.form_token(session.nonce),
        given=shown_again({name: visit.fields.get(name, "") for name in DAYS}),
        problems=problems,
    )


def _nothing_yet(pages: Pages) -> Response:
    words = "Nothing is in this log yet. It begins with the first event, and is sealed some seconds after that."
    return pages.trouble(409, "Nothing to export yet", words)


def _who(visit: Visit) -> tuple[Caller, Session]:
    if visit.caller is None or visit.session is None:
        raise NotAuthenticated
    return visit.caller, visit.session
