"""``/v1/suppressions``: whom the account must not text.

A phone is in the body and in no answer; of many, an answer says the place in the list that was sent, counted from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from relay.api.answers import Count, Page, Shown, SuppressionId, Time, gives
from relay.api.call import Call, Endpoint, Reply, limit_of
from relay.api.cursors import Cursors
from relay.api.parameters import LIST
from relay.api.schemas import Body, shown_by
from relay.api.schemas import Phone as PhoneText
from relay.core.errors import InvalidPhone
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.optouts import LiftReason, OptOutReason, OptOutSource
from relay.core.phone import Phone
from relay.core.times import written
from relay.services.suppressions import Counted
from relay.storage.suppressions import Listed

MOST_PHONES = 4000  # as many as fit into 64 kB

Phones = Annotated[tuple[PhoneText, ...], Field(min_length=1, max_length=MOST_PHONES)]


class SuppressionBody(Body):
    model_config = shown_by({"phone": "+12025550144", "reason": "complaint"})

    phone: PhoneText
    reason: OptOutReason


class LiftBody(Body):
    model_config = shown_by({"phone": "+12025550144"})

    phone: PhoneText
    operator_reason: LiftReason | None = None


class ImportBody(Body):
    model_config = shown_by({"phones": ["+12025550145"], "reason": "earlier_system"})

    phones: Phones
    reason: OptOutReason


class PhonesBody(Body):
    model_config = shown_by({"phones": ["+12025550145"]})

    phones: Phones


class Suppression(Shown):
    """That somebody has opted out; not who."""

    id: SuppressionId
    since: Time
    source: Annotated[OptOutSource, Field(examples=["api"])]
    reason: Annotated[str | None, Field(examples=["complaint"])]


class SuppressionPage(Page[Suppression]):
    """Opt-outs, newest first."""


class Lifted(Shown):
    """Whether they were on the list."""

    lifted: Annotated[bool, Field(examples=[True])]


Place = Annotated[int, Field(ge=1, description="in the list that was sent, from 1", examples=[1])]


class BadPhone(Shown):
    """What is wrong with a phone of the list; never the phone."""

    place: Place
    code: Annotated[str, Field(examples=["phone_invalid"])]


class Imported(Shown):
    """What became of a list."""

    new: Count
    known: Count
    invalid: list[BadPhone]


class Looked(Shown):
    """Which phones of the list are on the account's."""

    suppressed: list[Place]
    invalid: list[BadPhone]


async def list_suppressions(call: Call) -> Reply:
    limit, cursors = limit_of(call), Cursors(call.services.vault.tokens.cursor_secret)
    before = cursors.read("suppressions", call.account.id, call.query.get("cursor"))
    found = await call.services.suppressions.listed(call.account, before=before, limit=limit + 1)
    more = cursors.write("suppressions", call.account.id, found[limit - 1].id) if len(found) > limit else None
    return Reply({"data": [suppression_json(one) for one in found[:limit]], "next_cursor": more})


async def add_suppression(call: Call) -> Reply:
    body = call.read(SuppressionBody)
    listed, new = await call.services.suppressions.add(call.account, Phone.parse(body.phone), body.reason)
    return Reply(suppression_json(listed), 201 if new else 200)


async def lift_suppression(call: Call) -> Reply:
    body = call.read(LiftBody)
    lifted = await call.services.suppressions.lift(call.account, Phone.parse(body.phone), body.operator_reason)
    return Reply({"lifted": lifted})


async def import_suppressions(call: Call) -> Reply:
    body = call.read(ImportBody)
    phones, bad = read_phones(body.phones)
    counted = await call.services.suppressions.take_list(call.account, phones.values(), body.reason)
    return Reply(counted_json(counted, bad))


async def check_suppressions(call: Call) -> Reply:
    phones, bad = read_phones(call.read(PhonesBody).phones)
    found = await call.services.suppressions.check(call.account, list(phones.values()))
    suppressed = [place for place, is_suppressed in zip(phones, found, strict=True) if is_suppressed]
    return Reply({"suppressed": suppressed, "invalid": bad})


Invalid = list[dict[str, Any]]


def read_phones(texts: Sequence[str], places: Sequence[int] | None = None) -> tuple[dict[int, Phone], Invalid]:
    """The phones by their places, and of the others the place and what is wrong; never what was sent."""
    phones: dict[int, Phone] = {}
    bad: Invalid = []
    for place, text in zip(places or range(1, len(texts) + 1), texts, strict=True):
        try:
            phones[place] = Phone.parse(text)
        except InvalidPhone as mistake:
            bad.append({"place": place, "code": mistake.code})
    return phones, bad


def suppression_json(one: Listed) -> dict[str, Any]:
    """That somebody has opted out, since when, and by whose word; not who."""
    return {
        "id": public(IdKind.SUPPRESSION, one.id),
        "since": written(one.since),
        "source": str(one.source),
        "reason": one.reason,
    }


def counted_json(counted: Counted, bad: Invalid) -> dict[str, Any]:
    return {"new": counted.new, "known": counted.known, "invalid": bad}


_P = Scope.PRIVACY
_NOBODY = ("phone_invalid", "phone_kind_refused")
_ADDED = gives(Suppression, *_NOBODY, status=201, otherwise=gives(Suppression))

# fmt: off
ENDPOINTS = (
    Endpoint("GET", "/v1/suppressions", _P, list_suppressions, "Whom the account must not text", query=LIST,
             answers=gives(SuppressionPage)),
    Endpoint("POST", "/v1/suppressions", _P, add_suppression, "Put somebody on the list; 200 when they were on it",
             SuppressionBody, answers=_ADDED),
    Endpoint("POST", "/v1/suppressions/lift", _P, lift_suppression, "Take somebody off it", LiftBody,
             answers=gives(Lifted, "opt_out_is_theirs", *_NOBODY)),
    Endpoint("POST", "/v1/suppressions/import", _P, import_suppressions, "Put many on the list", ImportBody,
             answers=gives(Imported)),
    Endpoint("POST", "/v1/suppressions/check", _P, check_suppressions, "Which of these phones are on it?", PhonesBody,
             answers=gives(Looked)),
)
# fmt: on
