"""For operators and their machines: is it alive, is it ready, what are the figures, what does the API look like."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relay import metrics
from relay.api.call import Endpoint, Services
from relay.core.errors import RelayError
from relay.storage import migrate

_IN_PATH = re.compile(r"\{(\w+)")
_SCHEMA = "#/components/schemas/{model}"


def routes(services: Services, endpoints: Sequence[Endpoint]) -> list[BaseRoute]:
    document = json.dumps(openapi(endpoints)).encode()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        try:
            await migrate.check(services.database)
            await services.configuration.current()
            if services.rotation.lacks:
                return JSONResponse({"ready": False, "because": "key_missing"}, 503, {"retry-after": "2"})
        except RelayError as error:
            return JSONResponse({"ready": False, "because": error.code}, 503, {"retry-after": "2"})
        return JSONResponse({"ready": True})

    async def metrics_page(_: Request) -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi_page(_: Request) -> Response:
        return Response(document, media_type="application/json")

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics_page),
        Route("/openapi.json", openapi_page),
    ]


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The API as an OpenAPI 3.1 document, made from the same table that serves it."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.pattern, {})[endpoint.method.lower()] = _operation(endpoint)
    bodies: list[tuple[type[BaseModel], JsonSchemaMode]] = [(e.body, "validation") for e in endpoints if e.body]
    _, schemas = models_json_schema(bodies, ref_template=_SCHEMA)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Relay", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _IN_PATH.findall(endpoint.path)
    ]
    for name, meaning in endpoint.query.items():
        parameters.append({"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}})
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "description": f"Scope: {' or '.join([endpoint.scope, *sorted(endpoint.also)])}",
        "parameters": parameters,
        "responses": {"2XX": {"description": "Done"}, "4XX": {"description": "RFC 9457 problem details"}},
    }
    if endpoint.body is not None:
        schema = {"$ref": _SCHEMA.format(model=endpoint.body.__name__)}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation
