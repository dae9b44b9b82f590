"""The OpenAPI document: valid, whole, true. That answers are as it says is held to it by every test of this folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from relay.api.answers import example_id
from relay.api.app import ENDPOINTS
from relay.api.openapi import openapi
from relay.api.refusals import REFUSALS
from relay.core.ids import IdKind, parse
from tests.api.contract import CONTRACT, Row, World, furnished
from tests.api.described import Description, bodies, description
from tests.api.rig import PUBLIC_URL, Api

DOCUMENT = openapi(ENDPOINTS)

#: What needs no key.
OPEN = {
    ("GET", path)
    for path in (
        *("/healthz", "/readyz", "/metrics", "/openapi.json"),
        *("/v1/privacy/downloads/{token}", "/v1/audit/downloads/{token}"),
    )
}


def operations(document: dict[str, Any] = DOCUMENT) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [resolved(parameter) for parameter in operation["parameters"]]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part, or the one that it refers to within the document."""
    while "$ref" in part:
        target: Any = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything that the call takes or answers."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from resolved(response).get("content", {}).values()


def references(value: Any) -> list[str]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value["$ref"]] if isinstance(value, dict) and "$ref" in value else []
    return own + [ref for item in inside for ref in references(item)]


async def test_the_document_is_the_one_of_the_code_when_it_is_asked_for(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()

    assert document == {**DOCUMENT, "servers": [{"url": PUBLIC_URL}]}


def test_the_document_is_valid_when_a_judge_of_others_reads_it() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert all(resolved({"$ref": reference}) for reference in references(DOCUMENT))


def test_every_promised_call_is_described_when_the_api_is_asked_for() -> None:
    described = {(method, path) for method, path, _ in operations()}

    assert described == {(row.method, row.path) for row in CONTRACT} | OPEN


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.pattern}")
def test_an_endpoint_says_what_it_answers_when_it_is_declared(endpoint: Any) -> None:
    assert endpoint.answers, "say what it answers: Endpoint(..., answers=gives(Model, 'a_code', ...))"
    unknown = set(endpoint.answers.refusals) - REFUSALS.keys()
    assert not unknown, f"give each of {unknown} a line in relay/api/refusals.py"


def test_every_code_is_some_call_s_when_the_table_is_read() -> None:
    enums = re.findall(r'"code": \{"enum": \[(.*?)\]', json.dumps(DOCUMENT))
    named = {code for codes in enums for code in json.loads(f"[{codes}]")}

    assert named == REFUSALS.keys() - {"method_not_allowed"}


def test_every_call_can_be_told_apart_and_found_when_programs_are_made_of_the_document() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    said = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}

    assert sorted(names) == sorted(set(names)), "two handlers have one name: it is the call's name, so give it another"
    assert all(said.values()), "say in TAGS, relay/api/shared_parts.py, what is new here"
    for method, path, operation in operations():
        assert set(operation["tags"]) <= said.keys()
        assert operation["summary"], path
        declared = [p for p in parameters(operation) if p["in"] == "path"]
        assert [p["name"] for p in declared] == re.findall(r"\{(\w+)\}", path), path
        assert all(p["required"] and "example" in p for p in declared), f"{path}: say in IN_PATHS what stands there"
        assert ("requestBody" in operation) == (method in {"POST", "PATCH"}), f"{method} {path}"
        assert ("Idempotency-Key" in {p["name"] for p in parameters(operation)}) == (method == "POST")


def test_the_scope_of_every_call_is_told_when_the_api_is_described() -> None:
    told = {f"{m} {p}": o["security"] for m, p, o in operations() if (m, p) not in OPEN}
    words = {f"{m} {p}": o["description"] for m, p, o in operations() if (m, p) not in OPEN}

    assert told == {str(row): [{"key": [scope]} for scope in (row.scope, *row.also)] for row in CONTRACT}
    assert words == {str(row): f"Scope: {' or '.join([row.scope, *row.also])}" for row in CONTRACT}
    assert DOCUMENT["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert [o["security"] for m, p, o in operations() if (m, p) in OPEN] == [[]] * len(OPEN)


async def test_queries_are_described_when_a_list_takes_them(api: Api) -> None:
    queries = {
        path: {p["name"] for p in parameters(operation) if p["in"] == "query"}
        for method, path, operation in operations()
        if method == "GET"
    }

    assert queries["/v1/sessions"] == {"limit", "cursor", "status", "unique_name", "pool"}
    assert queries["/v1/numbers"] == queries["/v1/sessions/{id}/messages"] == {"limit", "cursor"}
    for path, names in queries.items():
        for name in names:
            # A described parameter is a known one: what is wrong with it is said of itself.
            answer = await api.ask("GET", f"{path.replace('{id}', 'ses_' + 'a' * 26)}?{name}=%00")
            assert answer.status_code in {404, 422}
            assert answer.status_code == 404 or answer.json()["errors"][0]["field"] == name


def test_every_example_is_right_when_it_is_held_to_its_schema() -> None:
    schemas = {"components": {"schemas": DOCUMENT["components"]["schemas"]}}
    for method, path, operation in operations():
        for content in contents(operation):
            several = [one["value"] for one in content.get("examples", {}).values()]
            for example in several or ([content["example"]] if "example" in content else []):
                Draft202012Validator({**content["schema"], **schemas}, validate_formats=True).validate(example)
            complete = (
                several or "example" in content or "schema" not in content or content["schema"] == {"type": "object"}
            )
            assert complete, f"{method} {path}: a required field has no example: Field(examples=[...])"
        for parameter in (p for p in parameters(operation) if "example" in p):
            Draft202012Validator(parameter["schema"]).validate(parameter["example"])


def test_a_link_leads_to_all_that_takes_the_id_when_a_post_has_made_it() -> None:
    links = {
        operation["operationId"]: set(answer["links"])
        for _, _, operation in operations()
        for answer in operation["responses"].values()
        if "links" in answer
    }

    assert links["open_session"] == {
        *("read_session", "change_session", "erase_session", "close_session", "send_text", "list_messages"),
        *("replace_participant", "reopen_session"),
    }
    assert links["send_text"] == {"read_message", "retry_message", "discard_message"}
    assert links["make_privacy_request"] == {"read_privacy_request"}
    assert "dry_run" not in links


@pytest.mark.parametrize("kind", list(IdKind))
def test_an_id_of_an_example_is_one_when_it_is_read(kind: IdKind) -> None:
    assert parse(kind, example_id(kind))


def with_ids_of(world: World, body: Any) -> Any:
    """An example with ids of things that there are."""
    real = {IdKind.PARTICIPANT: "participant", IdKind.CONNECTION: "connection", IdKind.SESSION: "session"}
    text = json.dumps(body)
    for kind, thing in real.items():
        text = text.replace(example_id(kind), world[thing])
    return json.loads(text)


#: Calls that take what was given or answered before: no example of theirs can be right.
GIVEN_BACK = {("POST", "/v1/audit/cosignatures"), ("POST", "/v1/sessions/{id}/reopen")}


async def test_every_example_works_when_it_is_sent(api: Api) -> None:
    """In the order of the contract, in one world. That answers are as described is seen to by the client."""
    world = await furnished(api)
    examples = {(method, path): found for method, path, found in bodies(DOCUMENT)}
    codes: list[tuple[str, int]] = []
    for row in CONTRACT:
        for body in examples.get((row.method, row.path), [None]) if (row.method, row.path) not in GIVEN_BACK else ():
            answer = await api.ask(row.method, row.at(world), with_ids_of(world, body))
            codes += [(str(row), answer.status_code)] if answer.status_code >= 300 else []

    assert codes == []
    assert not {(r.method, r.path) for r in CONTRACT if r.method in {"POST", "PATCH"}} - examples.keys()


READ = Row("GET", "/v1/messages/{id}", CONTRACT[0].scope)
PROBLEM = {
    "type": "about:blank",
    "title": "Not found",
    "status": 404,
    "code": "not_found",
    "detail": "There is nothing here by that id.",
    "request_id": "req_1",
}
COUNTED = {"x-request-id": "req_1", "ratelimit-limit": "5", "ratelimit-remaining": "4", "ratelimit-reset": "1"}
MESSAGE = DOCUMENT["paths"][READ.path]["get"]["responses"]["200"]["content"]["application/json"]["example"]


def answered(
    status: int, document: Any, *, kind: str = "", path: str = "/v1/messages/x", **headers: str
) -> httpx.Response:
    kind = kind or ("application/json" if status < 400 else "application/problem+json")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("GET", f"https://relay.example.com{path}")
    return httpx.Response(
        status, headers={**COUNTED, "content-type": kind, **named}, content=json.dumps(document), request=request
    )


UNDESCRIBED = {
    "a status": answered(409, PROBLEM | {"code": "not_parked", "status": 409}),
    "a code": answered(404, PROBLEM | {"code": "number_in_use"}),
    "a field": answered(200, MESSAGE | {"text": "hello"}),
    "a value": answered(200, MESSAGE | {"state": "lost"}),
    "no field": answered(200, {k: v for k, v in MESSAGE.items() if k != "kind"}),
    "a null": answered(200, MESSAGE | {"segments": None}),
    "a kind": answered(200, MESSAGE, kind="text/html"),
    "a header": answered(200, MESSAGE, retry_after="1"),
    "a path": answered(200, MESSAGE, path="/v1/nowhere"),
    "a body where there is none": answered(204, {}),
}


@pytest.mark.parametrize("answer", UNDESCRIBED.values(), ids=UNDESCRIBED.keys())
def test_an_answer_is_found_when_it_is_not_as_described(answer: httpx.Response) -> None:
    """The net itself."""
    with pytest.raises(AssertionError):
        Description(DOCUMENT).check(answer)


def test_no_answer_is_found_when_all_is_as_described() -> None:
    fresh = Description(DOCUMENT)
    fresh.check(answered(200, MESSAGE))
    fresh.check(answered(404, PROBLEM))
    fresh.check(answered(404, PROBLEM, path="/v1/nowhere"))

    assert fresh.seen == {("GET /v1/messages/{id}", 200), ("GET /v1/messages/{id}", 404)}


def test_an_answer_without_its_headers_is_found_when_they_are_promised() -> None:
    answer = answered(200, MESSAGE)
    del answer.headers["ratelimit-reset"]
    with pytest.raises(AssertionError, match="ratelimit-reset"):
        description().check(answer)
