"""Stands before every sandbox route, because these routes ask for no key.

The sandbox listens on this machine alone, but so does every web page that the user's browser has open. Two doors are
shut here: a page of another origin that sends requests (told by ``Origin`` and ``Sec-Fetch-Site``), and a stranger's name
that resolves to this machine, so that his page counts as ours (told by ``Host``). Whatever passes gets headers that let the
sandbox's page load nothing but its own files. Programs send none of those headers and are served.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OURS = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        problem = refusal(scope["method"], Headers(scope=scope))
        answer: ASGIApp = self._app if problem is None else JSONResponse({"error": problem}, 403)
        await answer(scope, receive, send_guarded)


def refusal(method: str, headers: Headers) -> str | None:
    """Why this request is refused; None when it is not.

    Following a link from elsewhere is allowed: it changes nothing, and the page that holds the link sees nothing of it.
    """
    host = headers.get("host", "")
    if not _OURS.fullmatch(host):
        return "the sandbox answers to the names localhost, 127.0.0.1 and [::1] only"
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    follows_link = method == "GET" and origin is None and headers.get("sec-fetch-mode") == "navigate"
    if (origin is not None and origin.lower() != f"http://{host}".lower()) or (
        site not in {"none", "same-origin"} and not (follows_link and headers.get("sec-fetch-dest") == "document")
    ):
        return "the sandbox takes no requests from other web pages"
    return None
