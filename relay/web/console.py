"""The console: every page in one table, one way in for all of them.

``_Way`` does what every page needs, in this order: who is it, did a page of ours send it, may they. A page is for who is in,
unless the table says that it is open. Whatever comes of it, the answer carries the headers of ``pages``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay import logs, metrics
from relay.core.errors import CallerMistake, NotAuthenticated, TryLater
from relay.core.model import Scope
from relay.services.keys import Caller
from relay.web import audit, door, exports
from relay.web.cookies import Cookies, Session, Visitor, new_nonce
from relay.web.exports import EXPORT, EXPORTS, Exports
from relay.web.forms import read_form
from relay.web.house import House, Visit
from relay.web.log import Log
from relay.web.origin import is_loopback, is_ours, origins_of
from relay.web.pages import HEADERS, Pages, static_files

Handler = Callable[[Visit, House, Pages], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or what one of its forms does. ``is_open``: for whoever is not in, too."""

    method: str
    path: str
    handler: Handler
    is_open: bool = False


def pages_of(log: Log | None, exporting: Exports | None) -> list[Page]:
    """All of them. ``log`` None: this installation keeps none yet, and its page says so; then it has no exports either."""
    files = [Page("GET", f"/console/static/{name}", partial(_file, *f), True) for name, f in static_files().items()]
    return [
        Page("GET", "/console", _to_the_front, True),
        Page("GET", door.LOGIN, door.show_login, True),
        Page("POST", door.LOGIN, door.log_in, True),
        Page("POST", door.LOGOUT, door.log_out),
        Page("GET", door.FRONT, partial(audit.show, log)),
        Page("POST", EXPORTS, partial(exports.ask, exporting)),
        Page("GET", EXPORT, partial(exports.show, exporting)),
        *files,
        Page("GET", "/console/{rest:path}", _nothing_here, True),  # last: whatever is none of these
    ]


def routes(house: House, log: Log | None, exporting: Exports | None) -> Sequence[BaseRoute]:
    """What is to be served beside the API."""
    every, public_url = pages_of(log, exporting), house.public_url
    pages = Pages(urlsplit(public_url).path.rstrip("/"))
    cookies = Cookies(house.vault.tokens, is_secure=public_url.startswith("https:"))
    found: list[BaseRoute] = []
    for path in dict.fromkeys(page.path for page in every):
        here = {page.method: page for page in every if page.path == path}
        found.append(Route(path, _Way(path, here, house, pages, cookies)))
    return found


async def _to_the_front(_: Visit, __: House, pages: Pages) -> Response:
    return pages.elsewhere(door.FRONT)


async def _nothing_here(_: Visit, __: House, pages: Pages) -> Response:
    return pages.trouble(404, "Nothing here", "The console has no page at this address.")


async def _file(body: bytes, kind: str, *_: object) -> Response:
    return Response(body, media_type=kind)


class _Way:
    """The way in to one path, as an ASGI application."""

    def __init__(self, path: str, here: dict[str, Page], house: House, pages: Pages, cookies: Cookies) -> None:
        self._path = path
        self._here = here
        self._house = house
        self._pages = pages
        self._cookies = cookies
        self._origins = origins_of(house.public_url)
        self._is_plain = house.public_url.startswith("http:") and not is_loopback(house.public_url)

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # ASGI's own names
        started, request = time.monotonic(), Request(scope, receive)
        response = await self._answer(request)
        response.headers.update(HEADERS)
        self._record(request.method, response.status_code, time.monotonic() - started)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """Never raises: what goes wrong becomes a page that says so."""
        try:
            return await self._through(request)
        except CallerMistake as error:
            return self._pages.trouble(400, "That did not work", f"{error.message}.")
        except TryLater:
            return self._pages.trouble(503, "Not just now", "The database cannot be reached. Try again in a moment.")
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            request_id = f"req_{secrets.token_hex(12)}"
            logs.trouble("console_failed", error, request=request_id, route=self._path)
            return self._pages.trouble(500, "That is our mistake", f"Tell your operator this name of it: {request_id}.")

    async def _through(self, request: Request) -> Response:
        page = self._here.get("GET" if request.method == "HEAD" else request.method)
        if page is None:
            response = self._pages.trouble(405, "Not like this", "This address takes no such request.")
            response.headers["allow"] = ", ".join(self._here)
            return response
        if self._is_plain:
            words = "This installation's public address is plain http: the console is served over https alone."
            return self._pages.trouble(403, "Not over this line", words)
        visit = await self._visit(request)
        if request.method == "POST" and not is_ours(request.headers, self._origins):
            return self._pages.trouble(403, "Not from there", f"Forms are taken from {self._house.public_url} alone.")
        if not page.is_open and visit.caller is None:
            return self._pages.elsewhere(door.LOGIN)
        if request.method == "POST":
            fields = await read_form(request)
            nonce = visit.session.nonce if visit.session and not page.is_open else visit.visitor.nonce
            if not self._cookies.is_form_token(fields.get("form_token", ""), nonce):
                return self._pages.trouble(403, "This form is too old", "Go back, load the page anew, and try again.")
            visit = replace(visit, fields=fields)
        return await page.handler(visit, self._house, self._pages)

    async def _visit(self, request: Request) -> Visit:
        now, cookies = await self._house.database.now(), self._cookies
        visitor = cookies.read_visitor(request.cookies.get(cookies.visitor_name), now)
        session = cookies.read_session(request.cookies.get(cookies.session_name), now)
        caller = await self._caller(session) if session else None
        fresh = Visitor(new_nonce(), now + door.VISITOR_FOR)
        return Visit(request, cookies, visitor or fresh, session if caller else None, caller, {})

    async def _caller(self, session: Session) -> Caller | None:
        """Who is in, as long as both keys work: the session's own, and the one that let them in."""
        try:
            shown, own = await self._house.keys.holder(session.shown), await self._house.keys.holder(session.key_id)
        except NotAuthenticated:
            return None
        return own if Scope.AUDIT in shown.scopes & own.scopes else None

    def _record(self, method: str, status: int, seconds: float) -> None:
        metrics.requests.labels(self._path, str(status)).inc()
        method = method if method in {"GET", "HEAD", "POST"} else "other"
        logs.note("console_request", method=method, route=self._path, status=status, ms=round(seconds * 1000, 1))
