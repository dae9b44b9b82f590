"""What a form says: small, few fields, in the one way in which browsers send them."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request

from relay.core.errors import CallerMistake, TooLarge, WrongContentType

_LARGEST = 4096  # bytes
_MOST_FIELDS = 8
_READ_WITHIN = 10.0  # seconds
_KIND = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """The fields, each once. Raises TooLarge, WrongContentType, and CallerMistake for what is no form."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _KIND:
        raise WrongContentType("a form is wanted here")
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        raise CallerMistake("one length header, not two", code="two_lengths")
    try:
        said = (await _body(request)).decode("ascii")
        return dict(parse_qsl(said, keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise CallerMistake("this is not a form", code="malformed_form") from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LARGEST:
                    raise TooLarge("this form is too large")
    except TimeoutError:
        raise CallerMistake("the form took too long to arrive", code="body_too_slow") from None
    return bytes(body)
