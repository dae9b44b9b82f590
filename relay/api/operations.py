"""For operators and their machines: is it alive, is it ready, what are the figures, what does the API look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relay import metrics
from relay.api.call import Services
from relay.core.errors import RelayError
from relay.storage import migrate


def routes(services: Services, describe: Callable[[], Mapping[str, Any]]) -> list[BaseRoute]:
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
        return Response(json.dumps(describe()).encode(), media_type="application/json")

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics_page),
        Route("/openapi.json", openapi_page),
    ]
