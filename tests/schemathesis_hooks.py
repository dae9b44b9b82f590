"""Read by schemathesis: every other made-up id becomes that of a thing that there is, so that calls get past "not found".

``RELAY_TEST_WORLD`` holds those ids as JSON: by what stands before them in a path, and by the name of a field.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import Any

import schemathesis

WORLD: dict[str, str] = json.loads(os.environ.get("RELAY_TEST_WORLD", "{}"))
_EXAMPLE_KEY = "trip-991"
_FIELDS = ("to", "connection", "session", "pool")


def _every_other(value: object) -> bool:
    return zlib.crc32(str(value).encode("utf-8", "replace")) % 2 == 0


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    place = context.operation.path.split("/{")[0].rpartition("/")[2]
    if not isinstance(path_parameters, dict) or not _every_other(path_parameters):
        return path_parameters
    known = {"id": WORLD.get(place), "pid": WORLD.get("to")}
    return {name: known.get(name) or value for name, value in path_parameters.items()}


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    if isinstance(query, dict) and "entry" in query and _every_other(query["entry"]):
        return {**query, "entry": WORLD["entry"]}
    return query


@schemathesis.hook
def map_headers(context: Any, headers: Any) -> Any:
    """Without the key of the example: under one key, all requests but the first would be refused."""
    if headers is None:
        return headers
    return {name: value for name, value in headers.items() if value != _EXAMPLE_KEY}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    real: dict[str, Any] = {name: WORLD[name] for name in _FIELDS if name in body and _every_other(body[name])}
    body = {name: value for name, value in body.items() if name != "unique_name" or value != _EXAMPLE_KEY}
    people = body.get("participants")
    if isinstance(people, list) and _every_other(people):
        real["participants"] = [_reachable(one, n) for n, one in enumerate(people)]
    return _reachable({**body, **real}, 0) if _every_other(body.get("phone", "")) else {**body, **real}


def _reachable(one: Any, n: int) -> Any:
    """A body with a phone that could be somebody's, and without a token, since none that is made up is one."""
    if not isinstance(one, dict) or "phone" not in one:
        return one
    phone = f"+1202555{150 + (zlib.crc32(str(one).encode('utf-8', 'replace')) + n) % 50:04}"
    return {name: value for name, value in one.items() if name != "verification_token"} | {"phone": phone}
