"""What the OpenAPI document says once and refers to: the introduction, tags, headers, the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ABOUT = """\
A marketplace opens a session between two people; each of them gets a number to text, and the other gets what they write.

- A **phone** is a person's own, a **number** is one of ours. No answer, event or error ever
  holds a phone, and no address does.
- Durations are whole seconds, times are RFC 3339 in UTC.
- Lists are newest first: `?limit=` and `?cursor=`, which is the `next_cursor` of the page before.
- An `Idempotency-Key` on any POST makes it safe to repeat: the same request under the same key gets the first answer again for
  24 hours.
- Refusals are problem details (RFC 9457). `code` is a stable word for programs; `errors` names each field that is wrong.
- GET takes HEAD as well. More fields may come to answers: pass over those that you do not know.
"""

TAGS: Mapping[str, str] = {
    "sessions": "Masked conversations of two people.",
    "templates": "Texts with variables.",
    "suppressions": "Whom the account must not text.",
    "messages": "What became of a text: metadata only, its words are kept nowhere.",
    "account": "The account's own settings.",
    "connections": "Credentials at providers.",
    "numbers": "Virtual numbers.",
    "pools": "Sets of numbers that sessions draw from.",
    "webhooks": "Being told what happens: signed, tried again, replayed (Standard Webhooks).",
    "events": "What has happened.",
    "verifications": "Proving a phone by a code.",
    "privacy": "What is kept and for how long, and what one person may ask.",
    "audit": "The account's log, for whoever shall check it without trusting us.",
    "operations": "For operators and their machines. No key is asked for.",
    "downloads": "Behind signed links that expire. No key is asked for: the link is the key.",
}

SECURITY: Mapping[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "rk_<key id>_<secret>",
    "description": "An API key. What a call needs of it is its scope, named at each call.",
}

_WHOLE = {"type": "string", "pattern": "^[0-9]+$"}

_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-Id": {
        "description": "The caller's own, when it is a plain one with a letter in it; else one that was made.",
        "required": True,
        "schema": {"type": "string", "maxLength": 64},
    },
    "RateLimit-Limit": {"description": "Requests that this key has in a second.", "required": True, "schema": _WHOLE},
    "RateLimit-Remaining": {"description": "How many are left.", "required": True, "schema": _WHOLE},
    "RateLimit-Reset": {"description": "Seconds until all are there again.", "required": True, "schema": _WHOLE},
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": _WHOLE},
    "Idempotent-Replayed": {
        "description": "This answer was given before, under the same Idempotency-Key.",
        "required": False,
        "schema": {"type": "string", "const": "true"},
    },
    "WWW-Authenticate": {"description": "Bearer.", "required": True, "schema": {"type": "string", "const": "Bearer"}},
}

_LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")

_GROUPS: Mapping[str, Mapping[str, str]] = {
    "request_id": {"X-Request-Id": "X-Request-Id"},
    "rate_limit": {name: name for name in _LIMITS},
    "maybe_rate_limit": {name: f"Maybe-{name}" for name in _LIMITS},
    "retry_after": {"Retry-After": "Retry-After"},
    "maybe_retry_after": {"Retry-After": "Maybe-Retry-After"},
    "replayed": {"Idempotent-Replayed": "Idempotent-Replayed"},
    "authenticate": {"WWW-Authenticate": "WWW-Authenticate"},
}

#: With those that come only where they make sense.
HEADERS: Mapping[str, Mapping[str, Any]] = {
    **_HEADERS,
    **{f"Maybe-{name}": {**_HEADERS[name], "required": False} for name in ("Retry-After", *_LIMITS)},
}

PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "request_id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Comes back in the answer and stands in our log. Letters, digits, `.`, `_`, `-`; a letter among them.",
        "required": False,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{0,31}[A-Za-z][A-Za-z0-9._-]{0,31}$"},
    },
    "idempotency_key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes the request safe to repeat for 24 hours.",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "example": "trip-991",
    },
}


def about() -> dict[str, Any]:
    return {
        "title": "Relay",
        "version": "1",
        "summary": "Two people text each other; neither sees the other's phone number.",
        "description": _ABOUT,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }


def headers_of(*groups: str) -> dict[str, Any]:
    """References to the headers of these groups, by the name that they have in an answer."""
    return {
        name: {"$ref": f"#/components/headers/{shared}"} for group in groups for name, shared in _GROUPS[group].items()
    }
