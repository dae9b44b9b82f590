"""Into the console and out of it: by an API key that may read the audit log, or by a link that is good once.

A link's secret stands behind the ``#`` of its address, which browsers keep to themselves; the login's page moves it into the
form's one field. Without scripts it is pasted there.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from starlette.responses import Response

from relay.core.errors import NotAuthenticated, NotFound
from relay.core.model import Scope
from relay.services.keys import CONSOLE_SESSION_FOR, Keys, is_link
from relay.web.cookies import Session, new_nonce
from relay.web.house import House, Visit
from relay.web.pages import Pages

LOGIN, LOGOUT, FRONT = "/console/login", "/console/logout", "/console/audit"
VISITOR_FOR = timedelta(hours=1)

_REFUSED = "This key or link does not work here. A link is good once, for ten minutes; a key needs the scope audit."


async def show_login(visit: Visit, _: House, pages: Pages) -> Response:
    return _form(visit, pages)


async def log_in(visit: Visit, house: House, pages: Pages) -> Response:
    """Take a key or a link. Whatever is wrong with one, the answer is the same."""
    try:
        shown, key_id = await _let_in(house.keys, visit.fields.get("secret", "").strip())
    except NotAuthenticated:
        return _form(visit, pages, problem=_REFUSED)
    session = Session(new_nonce(), shown, key_id, await house.database.now() + CONSOLE_SESSION_FOR)
    response = pages.elsewhere(FRONT)
    response.headers.append("set-cookie", visit.cookies.write_session(session))
    return response


async def log_out(visit: Visit, house: House, pages: Pages) -> Response:
    """End the session, not only in this browser: its key is revoked. The key that let somebody in goes on."""
    if visit.session is not None and visit.caller is not None:
        with suppress(NotFound):  # it was revoked a moment ago
            await house.keys.revoke(visit.caller.account, visit.session.key_id)
    response = pages.elsewhere(LOGIN)
    response.headers.append("set-cookie", visit.cookies.end_session())
    return response


async def _let_in(keys: Keys, secret: str) -> tuple[UUID, UUID]:
    """The key that lets them in and the one that the session is. Raises NotAuthenticated."""
    if is_link(secret):
        holder = await keys.follow(secret)
        return holder.key_id, holder.key_id
    caller = await keys.caller(secret)
    if Scope.AUDIT not in caller.scopes:
        raise NotAuthenticated
    return caller.key_id, await keys.begin_session(caller)


def _form(visit: Visit, pages: Pages, *, problem: str = "") -> Response:
    status = 403 if problem else 200
    token = visit.cookies.form_token(visit.visitor.nonce)
    response = pages.show("login.html", status=status, form_token=token, problem=problem)
    response.headers.append("set-cookie", visit.cookies.write_visitor(visit.visitor))
    return response
