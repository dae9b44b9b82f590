"""JSON schemas in words, for people who read the API's reference: the fields of an object, and what each may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
_PREFIX = "#/components/schemas/"
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "minLength": "not empty",
    "maxLength": "{} characters at most",
    "minItems": "{} at least",
    "maxItems": "{} at most",
    "maxProperties": "{} at most",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``name`` has dots where it stands inside another, and ``[]`` where that is a list."""

    name: str
    kind: str
    words: str
    required: bool


@dataclass(frozen=True, slots=True)
class Words:
    """Reads schemas that refer to one another. ``schemas``: by name."""

    schemas: Mapping[str, Schema]

    def fields(self, schema: Schema, before: str = "") -> Iterator[Field]:
        """The fields of an object, and of objects in it; of a choice between objects all of them."""
        schema = self._followed(schema)
        for choice in schema.get("anyOf", ()):
            yield from self.fields(choice, before)
        for name, value in schema.get("properties", {}).items():
            required = name in schema.get("required", ())
            yield Field(f"{before}{name}", self.kind(value), self.limits(value), required)
            inside, is_list = self._inside(value)
            if inside is not None:
                yield from self.fields(inside, f"{before}{name}{'[]' if is_list else ''}.")

    def kind(self, schema: Schema) -> str:
        """What it is, such as "string or null"."""
        if "anyOf" in schema:
            return " or ".join(dict.fromkeys(self.kind(one) for one in schema["anyOf"]))
        schema = self._followed(schema)
        if schema.get("type") == "array":
            return f"list of {self.kind(schema.get('items', {}))}"
        if "const" in schema or "enum" in schema:
            return "word" if schema.get("type", "string") == "string" else str(schema["type"])
        return str(schema.get("format") or schema.get("type") or "anything")

    def limits(self, schema: Schema) -> str:
        """What it means, which words there are, how much it may be, and what it is when nothing is said."""
        said = [str(schema["description"])] if "description" in schema else []
        for one in (self._followed(choice) for choice in schema.get("anyOf", (schema,))):
            if "description" in one and "title" not in one and one["description"] not in said:
                said.append(str(one["description"]))
            if "enum" in one or "const" in one:
                said.append(" | ".join(_written(word) for word in one.get("enum", [one.get("const")])))
            said += [words.format(one[name]) for name, words in _LIMITS.items() if name in one]
            said += [f"like `{one['pattern']}`"] if "pattern" in one and not said else []
        default = schema.get("default")
        said += [f"`{_written(default)}` when not given"] if default not in (None, "", {}, []) else []
        return "; ".join(said)

    def _followed(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].removeprefix(_PREFIX)]
        return schema

    def _inside(self, schema: Schema) -> tuple[Schema | None, bool]:
        """The object that a field holds, or a list of them."""
        for one in (self._followed(choice) for choice in schema.get("anyOf", (schema,))):
            is_list = one.get("type") == "array"
            inside = self._followed(one["items"]) if is_list and "items" in one else one
            if "properties" in inside or "anyOf" in inside:
                return inside, is_list
        return None, False


def _written(value: object) -> str:
    """A word as it is, anything else as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value)
