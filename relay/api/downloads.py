"""Downloads of what was asked for: a signed link that expires, for somebody who has no API key. Here for what there is about one
person.

Who has the link has the document, and it is in the logs of whatever stands between: so it names nobody, and its time is short.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay import logs
from relay.api import problems
from relay.api.call import Services
from relay.core.errors import NotFound, RelayError
from relay.core.ids import IdKind, public

DOWNLOADS = "/v1/privacy/downloads/{token}"


class Links:
    """A link is good for one request's copy until a time, by the database's clock. ``what``: a link to one kind of thing is none
    to another."""

    def __init__(self, secret: bytes, what: str = "relay download") -> None:
        self._serializer = URLSafeSerializer(secret, salt=what)

    def write(self, request_id: UUID, until: datetime) -> str:
        return str(self._serializer.dumps([request_id.hex, int(until.timestamp())]))

    def read(self, token: str, now: datetime) -> UUID:
        """Whose copy. Raises NotFound for a link that we did not make, and for one whose time is over."""
        try:
            request_id, until = self._serializer.loads(token)
            named = UUID(hex=request_id)
        except (BadData, ValueError, AttributeError, TypeError):
            raise NotFound from None
        # The decoder overlooks spare bits at the end.
        if self._serializer.dumps([request_id, until]) != token or now.timestamp() >= until:
            raise NotFound
        return named


def route(services: Services) -> Route:
    """The one route of ``/v1`` that asks for no key: the link is the key."""

    async def found(request: Request) -> Response:
        links = Links(services.vault.tokens.download_secret)
        named = links.read(request.path_params["token"], await services.database.now())
        document = await services.subjects.download(named)
        headers = headers_of(f"{public(IdKind.REQUEST, named)}.json")
        return Response(document, headers=headers, media_type="application/json")

    return Route(DOWNLOADS, answering(found))


def headers_of(name: str) -> dict[str, str]:
    """What every download carries: the name that it is to be kept under."""
    return {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"'}


def answering(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The work as a route: what goes wrong becomes a problem document."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request)
        except NotFound:
            raise HTTPException(404) from None  # answered like any address that there is not
        except RelayError as error:
            request_id = f"req_{secrets.token_hex(12)}"
            logs.trouble("download_failed", error, request=request_id)
            document = problems.body_of(error, request_id)
            return Response(problems.rendered(document), problems.status_of(error), problems.headers_of(error))

    return answer
