"""Links of the OpenAPI document: what can be done with that which a call has just made. Found by paths, declared nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Paths = Mapping[str, Mapping[str, Any]]


def put_links(paths: Paths, schemas: Mapping[str, Any]) -> None:
    """Link every answer of a POST to ``.../things`` that shows an id with all calls that have ``/things/{id}`` in their path."""
    for path, methods in paths.items():
        for response in methods.get("post", {}).get("responses", {}).values():
            links = _links(paths, path.rpartition("/")[2])
            if links and _has_id(response, schemas):
                response["links"] = links


def _links(paths: Paths, things: str) -> dict[str, Any]:
    """The calls that take the id of one of these."""
    return {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"id": "$response.body#/id"},
        }
        for path, methods in paths.items()
        for operation in methods.values()
        if f"/{things}/{{id}}" in path
    }


def _has_id(response: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    reference = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    schema = schemas.get(reference.rpartition("/")[2], {})
    choices = [schemas.get(one.get("$ref", "").rpartition("/")[2], {}) for one in schema.get("anyOf", ())]
    return any("id" in one.get("properties", {}) for one in (schema, *choices))
