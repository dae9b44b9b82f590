"""The API held to its own description: every answer that a test of this folder gets is looked up in the OpenAPI document.

An answer breaks it that has a status, a code, a field or a header which the document does not have for this call, or lacks one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator, ValidationError

from relay.api.app import ENDPOINTS
from relay.api.openapi import openapi

_HOW = "declare it: answers=gives(...) at the endpoint, and its code in relay/api/refusals.py"
_COUNTED = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "idempotent-replayed", "retry-after")


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the document."""

    name: str
    responses: dict[str, Any]
    components: dict[str, Any] = field(repr=False)

    def response(self, status: int) -> dict[str, Any]:
        assert str(status) in self.responses, f"{self.name} answered {status}, which is not described: {_HOW}"
        found: dict[str, Any] = self.responses[str(status)]
        if "$ref" in found:
            found = self.components["responses"][found["$ref"].rpartition("/")[2]]
        return found


@dataclass(slots=True)
class Description:
    """A document, and what it says of answers. ``seen``: which were, of which call."""

    document: dict[str, Any]
    seen: set[tuple[str, int]] = field(default_factory=set)
    _paths: list[tuple[re.Pattern[str], dict[str, Operation]]] = field(default_factory=list)
    _components: dict[str, Any] = field(default_factory=dict)
    _validators: dict[tuple[str, int], Draft202012Validator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        components = self.document["components"]
        closed = {name: _closed(schema) for name, schema in components["schemas"].items()}
        self._components = {**components, "schemas": closed}
        # What is written out comes before what has a name in it: /dry-run is no id.
        for path, methods in sorted(self.document["paths"].items(), key=lambda item: item[0].count("{")):
            pattern = re.compile(re.sub(r"\\{(\w+)\\}", _any, re.escape(path)))
            calls = {
                m.upper(): Operation(f"{m.upper()} {path}", o["responses"], components) for m, o in methods.items()
            }
            self._paths.append((pattern, calls))

    async def heed(self, answer: httpx.Response) -> None:
        """As a hook of a client. Raises AssertionError for an answer that is not described."""
        await answer.aread()
        self.check(answer)

    def check(self, answer: httpx.Response) -> None:
        path, method = answer.request.url.path, answer.request.method
        here = [calls for pattern, calls in self._paths if pattern.fullmatch(path)]
        found = next((calls[_asked(method)] for calls in here if _asked(method) in calls), None)
        if found is not None:
            self._compare(found, answer)
        elif path.startswith("/v1/"):
            assert answer.status_code == (405 if here else 404), f"{method} {path} is not described: {_HOW}"

    def _compare(self, operation: Operation, answer: httpx.Response) -> None:
        status = answer.status_code
        described = operation.response(status)
        _compare_headers(operation, described, answer)
        self.seen.add((operation.name, status))
        content = described.get("content", {})
        kind = answer.headers.get("content-type", "").split(";")[0]
        assert kind in content or not (content or answer.content), (
            f"{operation.name} {status} came as {kind or 'nothing'}"
        )
        if answer.request.method != "HEAD" and kind.endswith("json") and "schema" in content[kind]:
            try:
                self._validator(operation.name, status, content[kind]["schema"]).validate(answer.json())
            except ValidationError as error:
                raise AssertionError(f"{operation.name} {status} is not as described: {error}") from None

    def _validator(self, name: str, status: int, schema: dict[str, Any]) -> Draft202012Validator:
        known = self._validators.get((name, status))
        if known is None:
            whole = {**schema, "components": {"schemas": self._components["schemas"]}}
            known = self._validators[name, status] = Draft202012Validator(whole, validate_formats=True)
        return known


def _asked(method: str) -> str:
    return "GET" if method == "HEAD" else method


def _any(name: re.Match[str]) -> str:
    return ".*" if name[1] == "path" else "[^/]+"


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Callers pass over fields that they do not know; here there is none that is not described."""
    if "properties" not in schema or schema.get("title") == "ProblemDocument":
        return schema
    return {**schema, "additionalProperties": False}


def _compare_headers(operation: Operation, described: dict[str, Any], answer: httpx.Response) -> None:
    if operation.name.endswith(("z", "metrics", "openapi.json")):
        return  # machines of the operator
    known: dict[str, bool] = {}
    for name, header in described.get("headers", {}).items():
        if "$ref" in header:
            header = operation.components["headers"][header["$ref"].rpartition("/")[2]]
        known[name.lower()] = header["required"]
    lacking = {name for name, required in known.items() if required} - {name.lower() for name in answer.headers}
    beyond = {name for name in _COUNTED if name in answer.headers} - known.keys()
    assert (lacking, beyond) == (set(), set()), f"{operation.name} {answer.status_code}: headers {lacking} {beyond}"


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Method, path and the example bodies of every call that takes one."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                several = [one["value"] for one in content.get("examples", {}).values()]
                yield method.upper(), path, several or ([content["example"]] if "example" in content else [])


@cache
def description() -> Description:
    """Of the API as it is now: one for all tests of a process."""
    return Description(openapi(ENDPOINTS))
