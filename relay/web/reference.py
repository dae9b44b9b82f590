"""``/docs``: the API's reference for people, made of its OpenAPI document. One page, no script, nothing of others, no login."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from relay.web.pages import HEADERS, Pages
from relay.web.schema_words import Field, Words

PATH = "/docs"
_STATIC = Path(__file__).parent / "static"
_FILES = {"base.css": "text/css", "reference.css": "text/css", "relay.svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {**HEADERS, "content-security-policy": _POLICY}
_TITLES = {"200": "OK", "201": "Created", "202": "Accepted", "204": "No content", "2XX": "Done"}


@dataclass(frozen=True, slots=True)
class Content:
    """A body: of which media type, its fields, and examples of it as text."""

    kind: str
    fields: Sequence[Field]
    examples: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back with one status."""

    status: str
    title: str
    words: Sequence[str]
    headers: Sequence[str]
    content: Content | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call, as the page shows it."""

    name: str
    method: str
    path: str
    summary: str
    scopes: Sequence[str]
    parameters: Sequence[tuple[str, Field]]
    body: Content | None
    answers: Sequence[Answer]
    curl: str


class Reference:
    """The page over a document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._words = Words(document["components"]["schemas"])
        base = urlsplit(document["servers"][0]["url"]).path.rstrip("/")
        self._pages = Pages(base)
        self._pages.filters.update(marked=_inline, breakable=_breakable)

    def page(self) -> bytes:
        groups = [(tag, self._operations(tag["name"])) for tag in self._document["tags"]]
        about, address = self._document["info"], self._document["servers"][0]["url"]
        shown = self._pages.show(
            "reference.html", about=about, words=prose(about["description"]), groups=groups, address=address
        )
        return bytes(shown.body)

    def _operations(self, tag: str) -> list[Operation]:
        """Those of a group, what makes and lists its things first; the rest as it stands in the document."""
        found = [
            self._operation(method.upper(), path, one)
            for path, methods in self._document["paths"].items()
            for method, one in methods.items()
            if tag in one["tags"]
        ]
        return sorted(found, key=lambda one: one.path != f"/v1/{tag}")

    def _operation(self, method: str, path: str, one: Mapping[str, Any]) -> Operation:
        parameters = [self._resolved(p) for p in one["parameters"]]
        body = self._content(one["requestBody"]["content"]) if "requestBody" in one else None
        return Operation(
            name=one["operationId"],
            method=method,
            path=path,
            summary=one["summary"],
            scopes=[scope for way in one["security"] for scope in way["key"]],
            parameters=[(p["in"], self._parameter(p)) for p in parameters],
            body=body,
            answers=[self._answer(status, r) for status, r in sorted(one["responses"].items())],
            curl=self._curl(method, path, parameters, body, is_open=not one["security"]),
        )

    def _parameter(self, p: Mapping[str, Any]) -> Field:
        words = "; ".join(
            part.rstrip(".") for part in (p.get("description", ""), self._words.limits(p["schema"])) if part
        )
        return Field(p["name"], self._words.kind(p["schema"]), words, p["required"])

    def _answer(self, status: str, response: Mapping[str, Any]) -> Answer:
        response = self._resolved(response)
        title, _, rest = response["description"].partition("\n\n")
        content = self._content(response["content"]) if "content" in response else None
        if content and content.kind.startswith("application/problem"):
            content = Content(content.kind, (), content.examples)  # the same fields every time: see the introduction
        headers = list(response.get("headers", {}))
        words = [line.removeprefix("- ") for line in rest.split("\n") if line]
        return Answer(status, _TITLES.get(status, "") if not words and not title else title, words, headers, content)

    def _content(self, content: Mapping[str, Any]) -> Content:
        kind, described = next(iter(content.items()))
        found = [one["value"] for one in described.get("examples", {}).values()]
        found = found or ([described["example"]] if "example" in described else [])
        texts = [one if isinstance(one, str) else json.dumps(one, indent=2, ensure_ascii=False) for one in found]
        return Content(kind, list(self._words.fields(described.get("schema", {}))), texts)

    def _curl(
        self, method: str, path: str, parameters: Sequence[Mapping[str, Any]], body: Content | None, *, is_open: bool
    ) -> str:
        """The call as one types it."""
        for p in (p for p in parameters if p["in"] == "path" and "example" in p):
            path = path.replace(f"{{{p['name']}}}", str(p["example"]))
        asked = [p for p in parameters if p["in"] == "query" and p["required"]]
        query = "&".join(f"{p['name']}={p.get('example', '...')}" for p in asked)
        address = self._document["servers"][0]["url"].rstrip("/") + path + (f"?{query}" if query else "")
        lines = [f"curl {'' if method == 'GET' else f'-X {method} '}{shlex.quote(address)}"]
        lines += [] if is_open else ["-H 'Authorization: Bearer rk_...'"]
        if body and body.examples:
            said = json.dumps(json.loads(body.examples[0]), ensure_ascii=False)
            lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(said)}"]
        return " \\\n  ".join(lines)

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in part:
            return part
        kind, name = part["$ref"].removeprefix("#/components/").split("/")
        found: Mapping[str, Any] = self._document["components"][kind][name]
        return found


def prose(text: str) -> Markup:
    """The little of Markdown that descriptions use: paragraphs, lists, strong words, code."""
    blocks = []
    for block in text.strip().split("\n\n"):
        if block.startswith("- "):
            items = re.split(r"\n(?=- )", block)
            blocks.append(Markup("<ul>{}</ul>").format(Markup("").join(_item(one[2:]) for one in items)))
        else:
            blocks.append(Markup("<p>{}</p>").format(_inline(block)))
    return Markup("").join(blocks)


def _item(text: str) -> Markup:
    return Markup("<li>{}</li>").format(_inline(text))


def _breakable(path: str) -> Markup:
    """A path that a narrow screen breaks between its parts, not within one."""
    return Markup("/<wbr>").join(path.split("/"))


def _inline(text: str) -> Markup:
    """Escaped before anything is marked: what is made here is all the HTML that there is."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked))  # noqa: S704 - of escaped text


def routes(describe: Callable[[], Mapping[str, Any]]) -> list[BaseRoute]:
    """The page, made when it is first asked for, and the files that it loads."""
    made = cache(lambda: Reference(describe()).page())

    async def page(_: Request) -> Response:
        return HTMLResponse(made(), headers=_HEADERS)

    return [Route(PATH, page), *(_file(name, kind) for name, kind in _FILES.items())]


def _file(name: str, kind: str) -> Route:
    body = (_STATIC / name).read_bytes()

    async def found(_: Request) -> Response:
        return Response(body, media_type=kind, headers=_HEADERS)

    return Route(f"{PATH}/{name}", found)
