"""No phone that was sent ever comes back: not in an answer, a header, a log line or a metric, wherever it was put.

What a marketplace publishes about itself (its programme's name, its help contact, its notices) and its numbers are not
people's phones; they alone are left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from relay import metrics
from tests.api.bodies import WHOLE, places, put
from tests.api.contract import CONTRACT, Row, furnished
from tests.api.rig import PUBLIC_URL, Api, Log, Webhook, inbound, opening
from tests.services.people import phone

pytestmark = pytest.mark.long

_PUBLISHED = {"programme", "help_contact", "notices", "number"}
_people = itertools.cycle(range(1200))


@dataclass(slots=True)
class Canaries:
    """Phones that are sent, another one every time, and what is looked through for them."""

    log: Log
    sent: list[str] = field(default_factory=list)

    def next(self) -> str:
        self.sent.append(phone(next(_people)))
        return self.sent[-1]

    def look_through(self, answer: httpx.Response) -> None:
        """Whoever sees the answer, a proxy before the caller too, learns no phone, in whatever way it is written."""
        assert self._found(f"{answer.headers.raw!r} {answer.text}") == [], f"{answer.request.method} {answer.text}"

    def look_through_the_rest(self) -> None:
        """Nor does whoever reads the log or the metrics."""
        assert self.sent
        assert self._found(f"{self.log.text} {metrics.page().decode()}") == []

    def _found(self, seen: str) -> list[str]:
        letters = "".join(filter(str.isalnum, seen))
        return [e164 for e164 in self.sent if e164[2:] in letters]


@pytest.fixture
def canaries(log: Log) -> Iterator[Canaries]:
    birds = Canaries(log)
    yield birds
    birds.look_through_the_rest()


def grouped(e164: str) -> str:
    return f"+1 ({e164[2:5]}) {e164[5:8]}-{e164[8:]}"


def dotted(e164: str) -> str:
    return f"rider: +1.{e164[2:5]}.{e164[5:8]}.{e164[8:]}, mornings"


SPELLINGS: tuple[Callable[[str], str], ...] = (str, grouped, dotted)
NAMES = ("{}", "p{}", "phone_{}", "{}_", "x.{}", "{}\n")


@pytest.mark.parametrize("row", [row for row in CONTRACT if row.body], ids=str)
async def test_a_phone_does_not_come_back_when_it_is_the_value_of_any_field(
    api: Api, canaries: Canaries, row: Row
) -> None:
    world = await furnished(api)
    body = {**(row.said(world) or {}), **WHOLE.get(row.path, {})}
    for place in places(body):
        for spelled in SPELLINGS if not _PUBLISHED & set(place) else ():
            sent = canaries.next()
            canaries.look_through(await api.ask(row.method, row.at(world), put(body, place, spelled(sent))))


def with_a_name(body: Any, place: tuple[Any, ...], name: str) -> Any:
    """The body with one more field, inside whatever object stands at this place."""
    there = body
    for step in place:
        there = there[step]
    return put(body, place, {**there, name: "x"})


@pytest.mark.parametrize("row", [row for row in CONTRACT if row.body], ids=str)
async def test_a_phone_does_not_come_back_when_it_is_the_name_of_a_field(
    api: Api, canaries: Canaries, row: Row
) -> None:
    """Names are repeated to say which field is wrong: ours are, those that were made up are not."""
    world = await furnished(api)
    body = {**(row.said(world) or {}), **WHOLE.get(row.path, {})}
    objects = [place for place in places(body) if isinstance(_at(body, place), dict)]
    for place in objects:
        for name in NAMES:
            sent = canaries.next()
            digits = sent if name == "{}" else sent[1:]
            if place[-1:] == ("metadata",) and digits != sent:
                continue  # without its plus it may be the number of an order, and comes back to who noted it
            named = with_a_name(body, place, name.format(digits))
            canaries.look_through(await api.ask(row.method, row.at(world), named))


def _at(body: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        body = body[step]
    return body


@pytest.mark.parametrize("row", CONTRACT, ids=str)
async def test_a_phone_does_not_come_back_when_it_is_in_the_query_a_header_or_the_path(
    api: Api, canaries: Canaries, row: Row
) -> None:
    world = await furnished(api)
    sent = canaries.next()
    digits, body = sent[1:], row.said(world)
    for header in ("x-request-id", "idempotency-key", "user-agent", "content-type", "cookie", f"x-{digits}"):
        for value in (sent, digits, f"Bearer rk_{digits}"):
            canaries.look_through(await api.ask(row.method, row.at(world), body, **{header: value}))
    for value in (sent, digits, f"Bearer {sent}", f"Bearer rk_{digits}_{digits}"):
        request = api.http.build_request(row.method, row.at(world), headers={"authorization": value}, json=body)
        canaries.look_through(await api.http.send(request))
    for name in ("limit", "cursor", "status", "unique_name", "pool", "phone", digits):
        canaries.look_through(await api.ask(row.method, f"{row.at(world)}?{name}={digits}", body))
    for path in (f"{row.at(world)}/{digits}", row.path.replace("{id}", digits)):
        canaries.look_through(await api.ask(row.method, path, body))


async def test_a_phone_does_not_come_back_when_its_session_is_used(api: Api, canaries: Canaries) -> None:
    one, other = canaries.next(), canaries.next()
    session = await api.session(one, other)
    paths = (
        f"/v1/sessions/{session['id']}",
        f"/v1/sessions/{session['id']}/messages",
        "/v1/sessions",
        "/v1/pools/default",
    )
    text = inbound(api, one, session["participants"][0]["proxy_number"], f"call me at {other}")
    answers = [
        await text.post(api),
        *[await api.ask("GET", path) for path in paths],
        await api.ask("POST", "/v1/sessions", opening(one, one)),
        await api.ask("POST", "/v1/sessions/dry-run", opening(one, other)),
        await api.ask("POST", f"/v1/sessions/{session['id']}/close"),
    ]

    assert answers[0].status_code == 204
    for answer in answers:
        canaries.look_through(answer)


async def test_a_phone_does_not_come_back_when_a_webhook_holds_it_anywhere(api: Api, canaries: Canaries) -> None:
    for name in ("MessageSid", "AccountSid", "From", "To", "Body", "NumMedia", "OptOutType", "ErrorCode", "Extra"):
        sent = canaries.next()
        text = inbound(api, "+12025550199", "+12025550100", "hello", **{name: sent})
        receipt = Webhook(f"/hooks/{api.connection}/receipts/{sent[1:]}", {**text.form, "MessageStatus": sent})
        call = Webhook(f"/hooks/{api.connection}/voice", text.form)
        for webhook in (text, receipt, call):
            canaries.look_through(await webhook.post(api))
            canaries.look_through(await webhook.post(api, token=sent))
            canaries.look_through(await webhook.post(api, base_url=PUBLIC_URL + "/" + sent[1:]))
