"""The reference at ``/docs``: every call is on the page, nothing is loaded from elsewhere, nothing in it can run."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import httpx
import pytest
from starlette.applications import Starlette

from relay.api.app import described
from relay.web import reference
from relay.web.reference import Reference, prose
from relay.web.schema_words import Field, Words

DOCUMENT = described("https://relay.example.com/masking")


def asked(path: str, method: str = "GET") -> httpx.Response:
    app = Starlette(routes=reference.routes(partial(described, "https://relay.example.com/masking")))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside") as http:
            return await http.request(method, path)

    return asyncio.run(ask())


PAGE = Reference(DOCUMENT).page().decode()


def test_every_call_is_on_the_page_when_it_is_in_the_document() -> None:
    calls = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]

    assert len(calls) > 40
    assert [one["operationId"] for one in calls if f'id="{one["operationId"]}"' not in PAGE] == []
    assert PAGE.count('class="call"') == len(calls)
    assert PAGE.count("curl ") >= len(calls)
    assert "no_number_available" in PAGE


def test_opening_a_session_is_the_first_call_when_the_page_is_read() -> None:
    assert [one.name for one in Reference(DOCUMENT)._operations("sessions")][:2] == ["open_session", "list_sessions"]


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs_when_the_page_is_read() -> None:
    assert not re.search(r"<script|<style|style=|\son[a-z]+=|javascript:", PAGE)
    assert set(re.findall(r'(?:src|href)="([^"#]+)', PAGE)) == {
        *("/masking/docs/relay.svg", "/masking/docs/base.css", "/masking/docs/reference.css", "/masking/openapi.json")
    }
    for file in ("base.css", "reference.css"):
        assert not re.search(r"https?://|@import|url\(", asked(f"/docs/{file}").text)


@pytest.mark.parametrize("path", ["/docs", "/docs/base.css", "/docs/reference.css", "/docs/relay.svg"])
def test_the_page_is_guarded_and_open_when_anybody_asks(path: str) -> None:
    answer = asked(path)

    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; img-src 'self';")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert asked(path, "POST").status_code == 405


def test_words_are_escaped_when_they_look_like_html() -> None:
    assert prose("<b>`<i>`</b>\n\n- **a**\n- b") == (
        "<p>&lt;b&gt;<code>&lt;i&gt;</code>&lt;/b&gt;</p><ul><li><strong>a</strong></li><li>b</li></ul>"
    )


FIELDS = (
    ({"type": "string", "maxLength": 5}, Field("x", "string", "5 characters at most", False)),
    ({"type": "integer", "minimum": 1, "default": 7}, Field("x", "integer", "at least 1; `7` when not given", False)),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, Field("x", "string or null", "", False)),
    ({"$ref": "#/components/schemas/Word"}, Field("x", "word", "a | b", False)),
    ({"type": "array", "items": {"type": "string"}}, Field("x", "list of string", "", False)),
    ({"const": True, "type": "boolean"}, Field("x", "boolean", "true", False)),
)


@pytest.mark.parametrize(("schema", "field"), FIELDS)
def test_a_field_is_told_in_words_when_its_schema_is_read(schema: dict[str, object], field: Field) -> None:
    words = Words({"Word": {"enum": ["a", "b"], "title": "Word", "type": "string"}})

    assert list(words.fields({"properties": {"x": schema}})) == [field]


def test_fields_are_named_with_what_they_stand_in_when_they_stand_in_another() -> None:
    inner = {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]}
    words = Words({"Inner": inner})
    listed = {"properties": {"x": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}}}}

    assert [field.name for field in words.fields(listed)] == ["x", "x[].y"]
    assert [field.name for field in words.fields({"properties": {"x": inner}})] == ["x", "x.y"]
