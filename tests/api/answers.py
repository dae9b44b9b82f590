"""Answers, compared: what is the same in two of them, and whether a refusal has the shape of all refusals."""

from __future__ import annotations

import re
from typing import Any

import httpx

_REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")
ALWAYS = {"type", "title", "status", "code", "detail", "request_id"}
_WORD = re.compile(r"[a-z][a-z_]*")


def problem_in(answer: httpx.Response) -> dict[str, Any]:
    """Is this a problem as RFC 9457 wants it, and with what we add to it?"""
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(document) <= ALWAYS | {"errors", "reason"}
    assert set(document) >= ALWAYS
    assert (document["type"], document["status"]) == ("about:blank", answer.status_code)
    assert document["request_id"] == answer.headers["x-request-id"]
    assert _WORD.fullmatch(document["code"])
    assert document["title"]
    assert document["detail"]
    for problem in document.get("errors", []):
        assert set(problem) == {"field", "code", "message"}
        assert all(isinstance(value, str) and value for value in problem.values())
    return document


def bare(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], str]:
    """All of an answer but its request id."""
    headers = [(name, b"") if name == b"x-request-id" else (name, value) for name, value in answer.headers.raw]
    return answer.status_code, headers, _REQUEST_ID.sub("", answer.text)


def told(answer: httpx.Response) -> tuple[int, dict[bytes, bytes], str]:
    """All of an answer but its request id and how many requests are left."""
    status, headers, text = bare(answer)
    return status, {name: value for name, value in headers if name != b"ratelimit-remaining"}, text


def seen(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return answer.status_code, answer.headers.raw, answer.content
