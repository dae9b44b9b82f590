"""What stands in addresses: parameters of queries and of paths, described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from relay.api.answers import (
    ConnectionId,
    EndpointId,
    EventId,
    MessageId,
    NumberId,
    ParticipantId,
    RequestId,
    SessionId,
    VerificationId,
    WitnessId,
    example_id,
)
from relay.core.ids import IdKind


@dataclass(frozen=True, slots=True)
class Parameter:
    """``kind`` is a type as pydantic reads it, with its limits and an example."""

    meaning: str
    kind: Any = str
    required: bool = False


Limit = Annotated[int, Field(ge=1, le=200, examples=[50], json_schema_extra={"default": 50})]
Cursor = Annotated[str, Field(max_length=512)]
Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T08:00:00Z"])]

#: What every list takes.
LIST: Mapping[str, Parameter] = {
    "limit": Parameter("how many at most", Limit),
    "cursor": Parameter("next_cursor of the page before", Cursor),
}

_NameOrId = Annotated[str, Field(max_length=64, examples=[example_id(IdKind.POOL)])]
_TemplateNameOrId = Annotated[str, Field(max_length=64, examples=[example_id(IdKind.TEMPLATE)])]
_TilePath = Annotated[str, Field(examples=["0/000.p/1"])]
_Token = Annotated[str, Field(examples=["WyIwMTkz..."])]

#: What a name in a path is, by what stands before it. Others are words.
IN_PATHS: Mapping[str, Parameter] = {
    "sessions/{id}": Parameter("the session", SessionId),
    "holds/{id}": Parameter("the session that is held", SessionId),
    "participants/{pid}": Parameter("the participant who goes", ParticipantId),
    "bulk-close/{id}": Parameter("the request", RequestId),
    "templates/{id}": Parameter("the template, by id or by name", _TemplateNameOrId),
    "messages/{id}": Parameter("the message", MessageId),
    "connections/{id}": Parameter("the connection", ConnectionId),
    "numbers/{id}": Parameter("the number", NumberId),
    "pools/{id}": Parameter("the pool, by id or by name", _NameOrId),
    "verifications/{id}": Parameter("the verification", VerificationId),
    "requests/{id}": Parameter("the request", RequestId),
    "webhooks/{id}": Parameter("the webhook", EndpointId),
    "events/{id}": Parameter("the event", EventId),
    "witnesses/{id}": Parameter("the witness", WitnessId),
    "exports/{id}": Parameter("the export", RequestId),
    "tile/{path}": Parameter("level and place, as C2SP tlog-tiles writes them; its slashes are not escaped", _TilePath),
    "downloads/{token}": Parameter("the end of the address that was answered", _Token),
}


def in_query(name: str, given: Parameter | str) -> dict[str, Any]:
    """A parameter of a query as OpenAPI has it. A sentence alone is enough for a word, and for what every list takes."""
    if isinstance(given, str):
        given = Parameter(given, LIST[name].kind if name in LIST else str)
    return _described(name, "query", given, required=given.required)


def in_path(name: str, before: str) -> dict[str, Any]:
    """A parameter of a path, by what stands ``before`` it there."""
    known = IN_PATHS.get(f"{before}/{{{name}}}", Parameter(""))
    return _described(name, "path", known, required=True)


def _described(name: str, where: str, parameter: Parameter, *, required: bool) -> dict[str, Any]:
    schema = TypeAdapter(parameter.kind).json_schema()
    examples = schema.pop("examples", [])
    schema.pop("description", None)
    return {
        "name": name,
        "in": where,
        **({"description": parameter.meaning} if parameter.meaning else {}),
        "required": required,
        "schema": schema,
        **({"example": examples[0]} if examples else {}),
    }
