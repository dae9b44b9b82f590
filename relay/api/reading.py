"""Reading request bodies: at most so large, at most so long, and JSON where JSON is wanted."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from relay.core.errors import CallerMistake, TooLarge, WrongContentType

LARGEST_BODY = 64 * 1024
READ_WITHIN = 10.0  # seconds


async def read_body(request: Request, *, largest: int = LARGEST_BODY) -> bytes:
    """The whole body. Raises TooLarge, and CallerMistake when it takes too long to come."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:12]) > largest:
        raise TooLarge
    if declared and "transfer-encoding" in request.headers:
        raise CallerMistake("one length header, not two", code="two_lengths")
    body = bytearray()
    try:
        async with asyncio.timeout(READ_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > largest:
                    raise TooLarge
    except TimeoutError:
        raise CallerMistake("the body took too long to arrive", code="body_too_slow") from None
    return bytes(body)


def require_json(request: Request) -> None:
    """Raises WrongContentType."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongContentType
