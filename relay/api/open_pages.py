"""What needs no key, described by hand: machines of the operator ask for some of it, whoever has a link for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from relay.api.answers import Raw
from relay.api.parameters import in_path
from relay.api.refusals import PASSING
from relay.api.shared_parts import headers_of

Problem = Callable[[int, Sequence[str]], dict[str, Any]]

_READY = {"type": "object", "required": ["ready"], "properties": {"ready": {"const": True}}}
_NOT_READY = {
    "type": "object",
    "required": ["ready", "because"],
    "properties": {"ready": {"const": False}, "because": {"type": "string", "pattern": "^[a-z_]+$"}},
}
_ALIVE = {"type": "object", "required": ["alive"], "properties": {"alive": {"const": True}}}


def raw(kind: Raw) -> dict[str, Any]:
    """The content of an answer that is no JSON of ours."""
    if kind.example is None:
        return {}  # bytes: OpenAPI 3.1 says so by saying nothing
    return {"schema": {"type": "string"}, "example": kind.example}


def described(problem: Problem) -> dict[str, dict[str, Any]]:
    """Path -> its GET. ``problem`` describes a refusal."""
    ready = _answer("Ready", "application/json", {"schema": _READY, "example": {"ready": True}})
    waiting = {"schema": _NOT_READY, "example": {"ready": False, "because": "storage_unavailable"}}
    not_ready = _answer("Not yet, or not just now", "application/json", waiting)
    not_ready["headers"] = headers_of("retry_after")
    alive = _answer("Alive", "application/json", {"schema": _ALIVE, "example": {"alive": True}})
    whole = _answer("This document", "application/json", {"schema": {"type": "object"}})
    figures = _answer("Figures", "text/plain", raw(Raw("text/plain", "relay_messages_total 7.0\n")))
    return {
        "/healthz": _open("is_alive", "Is the process alive?", {"200": alive}),
        "/readyz": _open("is_ready", "Can it work: database, schema, keys?", {"200": ready, "503": not_ready}),
        "/metrics": _open("read_metrics", "Figures for Prometheus; no personal data", {"200": figures}),
        "/openapi.json": _open("read_openapi", "The API as an OpenAPI document", {"200": whole}),
        "/v1/privacy/downloads/{token}": _download(
            "download_copy",
            "What there is about one person",
            "application/json",
            {"schema": {"type": "object"}},
            problem,
        ),
        "/v1/audit/downloads/{token}": _download("download_pack", "An evidence pack", "application/zip", {}, problem),
    }


def _open(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    operation = {"operationId": name, "tags": ["operations"], "summary": summary, "security": []}
    return {**operation, "parameters": [], "responses": responses}


def _download(name: str, summary: str, kind: str, content: dict[str, Any], problem: Problem) -> dict[str, Any]:
    found = _answer("The document", kind, content)
    found["headers"] = {
        "Content-Disposition": {
            "description": "The name to keep it under.",
            "required": True,
            "schema": {"type": "string", "pattern": '^attachment; filename="[a-z0-9_.]+"$'},
        }
    }
    refused = {"404": _unnumbered(problem(404, ["not_found"]))}
    refused["500"] = {**problem(500, ["internal"]), "headers": {}}
    refused["503"] = {**problem(503, PASSING), "headers": headers_of("retry_after")}
    operation = {"operationId": name, "tags": ["downloads"], "summary": summary, "security": []}
    return {**operation, "parameters": [in_path("token", "downloads")], "responses": {"200": found, **refused}}


def _unnumbered(answer: dict[str, Any]) -> dict[str, Any]:
    """A refusal where no key is asked for: nothing is counted, nothing is replayed."""
    return {**answer, "headers": headers_of("request_id")}


def _answer(description: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {kind: content}}
