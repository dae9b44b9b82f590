"""Errors as RFC 9457 problem details. The one place that gives an error a status."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from relay.core import errors
from relay.core.errors import CallerMistake, InvalidInput, Problem, RelayError

CONTENT_TYPE = "application/problem+json"


class WrongMethod(CallerMistake):
    """This address takes other methods: see the header Allow."""

    code = "method_not_allowed"


#: The most particular class comes first.
STATUSES: tuple[tuple[type[RelayError], int, str], ...] = (
    (errors.NotAuthenticated, 401, "Not authenticated"),
    (errors.NotAllowed, 403, "Not allowed"),
    (errors.WebhookRefused, 403, "Refused"),
    (errors.NotFound, 404, "Not found"),
    (WrongMethod, 405, "Method not allowed"),
    (errors.Conflict, 409, "Conflict"),
    (errors.TooLarge, 413, "Too large"),
    (errors.WrongContentType, 415, "Wrong content type"),
    (errors.InvalidInput, 422, "Invalid input"),
    (errors.TooMany, 429, "Too many requests"),
    (errors.CallerMistake, 400, "Bad request"),
    (errors.TryLater, 503, "Try again later"),
    (errors.RelayError, 500, "Internal error"),
)

_PLAIN_NAME = re.compile(r"[a-z_]{1,40}")  # no digits: they could be a phone's
_CODES = {"missing": "missing", "extra_forbidden": "unknown_field"}


def status_of(error: RelayError) -> int:
    return status_of_kind(type(error))


def status_of_kind(kind: type[RelayError]) -> int:
    return next(status for known, status, _ in STATUSES if issubclass(kind, known))


def body_of(error: RelayError, request_id: str) -> dict[str, Any]:
    """The problem document of an error. Everything in it is in our own words."""
    status, title = next((status, title) for kind, status, title in STATUSES if isinstance(error, kind))
    internal = status == 500
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": "internal" if internal else error.code,
        "detail": "Something went wrong here; the request id leads to it in the logs." if internal else error.message,
        "request_id": request_id,
    }
    if isinstance(error, InvalidInput):
        document["errors"] = [{"field": p.field, "code": p.code, "message": p.message} for p in error.problems]
    if isinstance(error, errors.Conflict) and error.reason:
        document["reason"] = error.reason
    return document


def headers_of(error: RelayError) -> dict[str, str]:
    headers = {"content-type": CONTENT_TYPE}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    if isinstance(error, errors.NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return headers


def rendered(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def from_validation(error: ValidationError) -> RelayError:
    """What pydantic found wrong, in our words where it would repeat what was sent."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    if any(e["type"] == "json_invalid" for e in found):
        return errors.CallerMistake("the body is not JSON", code="malformed_json")
    return InvalidInput(*(_problem(e["loc"], e["type"], e["msg"]) for e in found[:20]))


def _problem(location: tuple[int | str, ...], kind: str, message: str) -> Problem:
    """Names are repeated only when they look like names: a caller may have sent a phone as one."""
    parts = [str(p) if isinstance(p, int) or _PLAIN_NAME.fullmatch(p) else "?" for p in location if p != "[key]"]
    code = _CODES.get(kind, "invalid")
    said = {"missing": "is required", "unknown_field": "is not a field of this request"}.get(code)
    return Problem(".".join(parts) or "body", code, said or message.removeprefix("Value error, "))
