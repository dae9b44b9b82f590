"""``/v1/templates``: texts with variables, sent by ``template`` and ``variables`` instead of ``text``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from relay.api.answers import Page, Shown, TemplateId, Time, gives
from relay.api.call import Call, Endpoint, Reply, limit_of
from relay.api.cursors import Cursors
from relay.api.parameters import LIST
from relay.api.schemas import Body, Name, Text, no_phone, shown_by
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.templates import parse
from relay.core.times import written
from relay.services.templates import StoredTemplate, TemplateWords

Language = Annotated[str, Field(pattern="^[a-z]{2,3}(-[A-Z]{2})?$", description="such as en or pt-BR; a note of yours")]
TemplateText = Annotated[Text, AfterValidator(no_phone)]


class TemplateBody(Body):
    model_config = shown_by({"name": "near", "text": "{driver} is near", "language": "en"})

    name: Name
    text: Annotated[TemplateText, Field(description="{driver} is a variable; {{ and }} are braces")]
    language: Language | None = None


class TemplateChangeBody(Body):
    model_config = shown_by({"text": "{driver} waits"})

    name: Name | None = None
    text: TemplateText | None = None
    language: Language | None = None


class Template(Shown):
    """A text with variables, kept."""

    id: TemplateId
    name: Annotated[str, Field(examples=["near"])]
    text: Annotated[str, Field(examples=["{driver} is near"])]
    variables: Annotated[list[str], Field(description="in the order of the text", examples=[["driver"]])]
    language: Annotated[str | None, Field(examples=["en"])]
    created_at: Time
    changed_at: Time


class TemplatePage(Page[Template]):
    """Templates, newest first."""


async def add_template(call: Call) -> Reply:
    body = call.read(TemplateBody)
    words = TemplateWords(body.name, body.text, body.language)
    return Reply(template_json(await call.services.templates.add(call.account, words, call.seed)), 201)


async def list_templates(call: Call) -> Reply:
    limit, cursors = limit_of(call), Cursors(call.services.vault.tokens.cursor_secret)
    before = cursors.read("templates", call.account.id, call.query.get("cursor"))
    found = await call.services.templates.listed(call.account, limit=limit + 1, before=before)
    more = cursors.write("templates", call.account.id, found[limit - 1].id) if len(found) > limit else None
    return Reply({"data": [template_json(t) for t in found[:limit]], "next_cursor": more})


async def read_template(call: Call) -> Reply:
    return Reply(template_json(await call.services.templates.find(call.account, call.path["id"])))


async def change_template(call: Call) -> Reply:
    body = call.read(TemplateChangeBody)
    words = TemplateWords(body.name, body.text, body.language)
    return Reply(template_json(await call.services.templates.change(call.account, call.path["id"], words)))


async def remove_template(call: Call) -> Reply:
    await call.services.templates.remove(call.account, call.path["id"])
    return Reply({}, 204)


def template_json(t: StoredTemplate) -> dict[str, Any]:
    return {
        "id": public(IdKind.TEMPLATE, t.id),
        "name": t.name,
        "text": t.text,
        "variables": list(parse(t.text).variables),
        "language": t.language,
        "created_at": written(t.created_at),
        "changed_at": written(t.changed_at),
    }


_S = Scope.SESSIONS

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/templates", _S, add_template, "Keep a text with variables", TemplateBody,
             answers=gives(Template, "template_name_taken", status=201)),
    Endpoint("GET", "/v1/templates", _S, list_templates, "Templates, newest first", query=LIST,
             answers=gives(TemplatePage)),
    Endpoint("GET", "/v1/templates/{id}", _S, read_template, "One template, by id or name", answers=gives(Template)),
    Endpoint("PATCH", "/v1/templates/{id}", _S, change_template, "Change it; waiting texts stay", TemplateChangeBody,
             answers=gives(Template, "template_name_taken")),
    Endpoint("DELETE", "/v1/templates/{id}", _S, remove_template, "Remove it; waiting texts stay", answers=gives(None)),
)
# fmt: on
