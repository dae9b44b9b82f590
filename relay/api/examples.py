"""Examples of whole documents, put together from those that schemas give for their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PREFIX = "#/components/schemas/"
Schemas = Mapping[str, Any]


class NoExample(Exception):
    """A field has neither an example nor anything that one could be made of."""


def examples_of(schema: Mapping[str, Any], schemas: Schemas) -> list[Any]:
    """Those that the schema has itself, or one that is put together. Raises NoExample, which names the field."""
    found = _own(schema, schemas)
    return found if found else [example_of(schema, schemas)]


def example_of(schema: Mapping[str, Any], schemas: Schemas, where: str = "") -> Any:
    """An example of what the schema describes: of an object all fields that have an example or are required."""
    if own := _own(schema, schemas):
        return own[0]
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(_PREFIX)], schemas, where)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return example_of(schema[choice][0], schemas, where)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas, f"{where}[]")]
    if schema.get("type") == "object":
        return _object(schema, schemas, where)
    raise NoExample(f"{where or 'this'} has no example: say one with Field(examples=[...])")


def _object(schema: Mapping[str, Any], schemas: Schemas, where: str) -> dict[str, Any]:
    made = {}
    for name, field in schema.get("properties", {}).items():
        if name in schema.get("required", ()) or _own(field, schemas):
            made[name] = example_of(field, schemas, f"{where}.{name}".lstrip("."))
    return made


def _own(schema: Mapping[str, Any], schemas: Schemas) -> list[Any]:
    """Examples that somebody wrote down: at the place itself, or at the type of a field that may be null."""
    if "examples" in schema:
        return list(schema["examples"])
    if "$ref" in schema:
        return list(schemas[schema["$ref"].removeprefix(_PREFIX)].get("examples", ()))
    return next((list(one["examples"]) for one in schema.get("anyOf", ()) if "examples" in one), [])
