"""The API as an OpenAPI 3.1 document, made from the same table that serves it.

An endpoint that does not declare its ``answers`` is described all the same, vaguely; the tests name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema

from relay.api import open_pages, problems, refusals
from relay.api.answers import Answers, ProblemDocument, Raw
from relay.api.call import Endpoint
from relay.api.examples import NoExample, examples_of
from relay.api.links import put_links
from relay.api.parameters import in_path, in_query
from relay.api.shared_parts import HEADERS, PARAMETERS, SECURITY, TAGS, about, headers_of

_NAMED = re.compile(r"([^/]*)/\{(\w+)")
_SCHEMA = "#/components/schemas/{model}"
_JSON = "application/json"
#: The key is not known yet, or may not be: an address that there is not asks for none.
_UNCOUNTED = {
    401: "request_id",
    403: "request_id",
    404: "maybe_rate_limit",
    500: "maybe_rate_limit",
    503: "maybe_rate_limit",
}


class _InOrder(GenerateJsonSchema):
    """Fields and examples stay in the order in which they are written."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


def openapi(endpoints: Sequence[Endpoint], *, server: str = "/") -> dict[str, Any]:
    """The whole document. ``server``: the address before every path."""
    schemas = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.pattern, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    for path, operation in open_pages.described(_problem).items():
        paths[path] = {"get": operation}
    put_links(paths, schemas)
    tags = list(dict.fromkeys(tag for path in paths.values() for one in path.values() for tag in one["tags"]))
    return {
        "openapi": "3.1.0",
        "info": about(),
        "servers": [{"url": server}],
        "tags": [{"name": tag, "description": TAGS.get(tag, "")} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": HEADERS,
            "parameters": PARAMETERS,
            "responses": _usual_refusals(),
            "securitySchemes": {"key": SECURITY},
        },
        "security": [{"key": []}],
    }


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The models of all bodies and answers, by name."""
    models: dict[type[BaseModel], None] = {ProblemDocument: None}
    for endpoint in endpoints:
        answers = endpoint.answers.successes if endpoint.answers else ()
        for model in (endpoint.body, *(answer.kind for answer in answers)):
            if isinstance(model, type):
                models[model] = None
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in models]
    schemas: dict[str, Any] = models_json_schema(wanted, ref_template=_SCHEMA, schema_generator=_InOrder)[1]["$defs"]
    return dict(sorted(schemas.items()))


def _operation(endpoint: Endpoint, schemas: Mapping[str, Any]) -> dict[str, Any]:
    scopes = [endpoint.scope, *sorted(endpoint.also)]
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "tags": [endpoint.path.split("/")[2]],
        "summary": endpoint.summary,
        "description": f"Scope: {' or '.join(scopes)}",
        "security": [{"key": [scope]} for scope in scopes],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body is not None:
        operation["requestBody"] = _request_body(endpoint.body, schemas)
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found = [in_path(name, before) for before, name in _NAMED.findall(endpoint.path)]
    found += [in_query(name, given) for name, given in endpoint.query.items()]
    shared = ["request_id", *(["idempotency_key"] if endpoint.method == "POST" else [])]
    return [*found, *({"$ref": f"#/components/parameters/{name}"} for name in shared)]


def _request_body(model: type[BaseModel], schemas: Mapping[str, Any]) -> dict[str, Any]:
    required = bool(schemas[model.__name__].get("required"))
    return {"required": required, "content": {_JSON: _content(model, schemas)}}


def _content(model: type[BaseModel], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """A model as the content of a body, with its examples."""
    schema = {"$ref": _SCHEMA.format(model=model.__name__)}
    try:
        found = examples_of(schema, schemas)
    except NoExample:
        return {"schema": schema}
    if len(found) == 1:
        return {"schema": schema, "example": found[0]}
    return {"schema": schema, "examples": {f"example_{n}": {"value": one} for n, one in enumerate(found, 1)}}


def _responses(endpoint: Endpoint, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """By status: the answers when all is well, and every refusal with its codes."""
    found = {"2XX": _success(endpoint, None, schemas)} if endpoint.answers is None else {}
    for answer in endpoint.answers.successes if endpoint.answers else ():
        found[str(answer.status)] = _success(endpoint, answer, schemas)
    by_status: dict[int, list[str]] = {}
    for code in _codes(endpoint):
        by_status.setdefault(refusals.status_of_code(code), []).append(code)
    for status, codes in sorted(by_status.items()):
        usual = _USUAL.get(status) == tuple(codes)
        found[str(status)] = {"$ref": f"#/components/responses/{status}"} if usual else _problem(status, codes)
    return found


def _success(endpoint: Endpoint, answers: Answers | None, schemas: Mapping[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "Done",
        "headers": headers_of("request_id", "rate_limit", *(["replayed"] if endpoint.method == "POST" else [])),
    }
    if answers is None or answers.kind is None:
        return response
    if isinstance(answers.kind, Raw):
        return response | {"content": {answers.kind.media_type.split(";")[0]: open_pages.raw(answers.kind)}}
    described = (answers.kind.__doc__ or "Done").split("\n\n")[0].replace("\n", " ")
    return response | {"description": " ".join(described.split()), "content": {_JSON: _content(answers.kind, schemas)}}


def _codes(endpoint: Endpoint) -> list[str]:
    """Every code with which the endpoint may refuse, each once."""
    named = _NAMED.search(endpoint.path)
    return list(
        dict.fromkeys(
            (
                *refusals.EVERYWHERE,
                *(("not_found",) if named else ()),
                *(refusals.WITH_BODY if endpoint.body else ()),
                *(refusals.WITH_KEY if endpoint.method == "POST" else ()),
                *(endpoint.answers.refusals if endpoint.answers else ()),
                *refusals.PASSING,
            )
        )
    )


def _problem(status: int, codes: Sequence[str]) -> dict[str, Any]:
    """A refusal with its codes, in words and for machines."""
    title = next(title for _, known, title in problems.STATUSES if known == status)
    example = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": codes[0],
        "detail": refusals.words_of(codes[0]),
        "request_id": "req_5f0c7be4a91d2e63480b17af",
    }
    if status == 422:
        example |= {
            "errors": [{"field": "limit", "code": "invalid", "message": "must be a whole number from 1 to 200"}]
        }
    names = ["request_id", _UNCOUNTED.get(status, "rate_limit")]
    names += {401: ["authenticate"], 429: ["retry_after"], 503: ["retry_after"], 409: ["maybe_retry_after"]}.get(
        status, []
    )
    names += ["replayed"] if status in {400, 404, 409, 422} else []
    schema = {"$ref": _SCHEMA.format(model="ProblemDocument"), "properties": {"code": {"enum": list(codes)}}}
    return {
        "description": "\n".join([f"{title}.", "", *(f"- `{code}`: {refusals.words_of(code)}" for code in codes)]),
        "headers": headers_of(*names),
        "content": {problems.CONTENT_TYPE: {"schema": schema, "example": example}},
    }


#: What is the same wherever it is answered: said once.
_USUAL: Mapping[int, tuple[str, ...]] = {
    401: ("not_authenticated",),
    403: ("scope_missing",),
    404: ("not_found",),
    413: ("too_large",),
    415: ("wrong_content_type",),
    422: ("invalid_request",),
    429: ("rate_limited",),
    500: ("internal",),
    503: refusals.PASSING,
}


def _usual_refusals() -> dict[str, Any]:
    return {str(status): _problem(status, codes) for status, codes in _USUAL.items()}
