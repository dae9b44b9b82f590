"""Reads a log over HTTP, for the auditor's tools, and hands a cosignature in: no redirect, no proxy, answers of a few kilobytes.

The API key goes into a header and nowhere else. It is read from a file, because arguments are in the shell's history and in every
process listing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from relay.core.errors import EvidenceRefused, NotFound, OperatorMistake, TryLater
from relay.evidence.served import AT_ONCE, Fetch
from relay.providers.base import HttpRequest, HttpResponse
from relay.providers.transport import NoAnswer, Transport, open_transport

_LONGEST = 100_000  # bytes; a note is the longest there is
_TRIES = 8
_CODE = re.compile(r"[a-z_]{1,40}", re.ASCII)
_LONGEST_WAIT = 60.0  # seconds


@asynccontextmanager
async def fetching(url: str, token: Path | None) -> AsyncIterator[Fetch]:
    """Fetches what stands behind a log's address. Raises OperatorMistake for an address or a key file that cannot be one."""
    headers = _headers(url, token)
    async with open_transport(connections=AT_ONCE * 2) as transport:

        async def fetch(path: str) -> bytes:
            request = HttpRequest("GET", f"{url.rstrip('/')}/{path}", headers)
            return _body(path, await _asked(transport, request))

        yield fetch


async def hand_in(url: str, token: Path, name: str, document: Mapping[str, str]) -> HttpResponse:
    """Send a JSON document to where a log takes it; whatever it answers. Raises TryLater when it does not answer."""
    headers = {**_headers(url, token), "content-type": "application/json"}
    request = HttpRequest("POST", f"{url.rstrip('/')}/{name}", headers, json.dumps(document).encode())
    async with open_transport(connections=1) as transport:
        return await _asked(transport, request)


def refused_with(answer: HttpResponse) -> str | None:
    """In our words why a log did not take what was handed in; None = it took it. Of its own words only a code is told."""
    if answer.status == 200:
        return None
    try:
        (code, *_) = (str(error["code"]) for error in json.loads(answer.body)["errors"])
    except (ValueError, TypeError, KeyError, RecursionError):
        code = ""
    if code == "unknown_witness":
        return "the log does not know this witness; its operator adds the key with `relay audit witness-key add`"
    return f"the log answered {answer.status}{f' ({code})' if _CODE.fullmatch(code) else ''}"


def _headers(url: str, token: Path | None) -> dict[str, str]:
    if not url.startswith(("https://", "http://")) or any(c in url for c in "?# "):
        raise OperatorMistake("a log's address is like https://relay.example/v1/audit")
    return {} if token is None else {"authorization": f"Bearer {_secret(token)}"}


def _secret(path: Path) -> str:
    try:
        found = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise OperatorMistake(f"{path}: the API key cannot be read") from None
    if not found.isascii() or not found.isprintable() or " " in found or not found:
        raise OperatorMistake(f"{path} does not hold an API key")
    return found


async def _asked(transport: Transport, request: HttpRequest) -> HttpResponse:
    """The answer, after as many waits as the log asks for and we bear with. Raises TryLater."""
    for tries in range(_TRIES):
        try:
            answer = await transport.send(request)
        except NoAnswer as error:
            raise TryLater(f"the log did not answer ({error.cause})") from None
        if answer.status not in (429, 503):
            return answer
        if tries < _TRIES - 1:
            await asyncio.sleep(_wait(answer))
    raise TryLater(f"the log is too busy: it answered {answer.status} {_TRIES} times")


def _wait(answer: HttpResponse) -> float:
    asked = answer.headers.get("retry-after", "1")
    return min(float(asked) if asked.isascii() and asked.isdigit() else 1.0, _LONGEST_WAIT)


def _body(path: str, answer: HttpResponse) -> bytes:
    if answer.status == 404:
        raise NotFound
    if answer.status in (401, 403):
        raise EvidenceRefused(
            f"the log answered {answer.status}: it wants an API key with scope audit (--api-key FILE)"
        )
    if answer.status != 200:
        raise EvidenceRefused(f"the log answered {answer.status} when it was asked for {path}")
    if "html" in answer.headers.get("content-type", ""):
        raise EvidenceRefused(f"the log answered with a page for people when it was asked for {path}")
    if len(answer.body) > _LONGEST:
        raise EvidenceRefused(f"the log answered with too much when it was asked for {path}")
    return answer.body
