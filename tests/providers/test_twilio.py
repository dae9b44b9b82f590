"""Twilio: the contract, the vectors, and the requests that we send.

The expected readings are data (``tests/vectors/twilio.json``), so that anybody can add an attack without Python.
``signed`` is Twilio's side in a few lines; the vectors, signed by Twilio's own package, keep it honest.
"""

from __future__ import annotations

import base64
import hmac
import json
import xml.etree.ElementTree
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from relay.core.errors import InvalidInput, WebhookRefused
from relay.core.model import Reason
from relay.providers.base import HttpResponse, Receipt, ReceiptWord, Webhook
from relay.providers.twilio import ADAPTER
from tests.providers.contract import NUMBER, OUTBOUND, SENDER, SINCE, TEXT, AdapterContract, Samples, refused

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "twilio.json").read_text("utf-8"))
CREDENTIALS: dict[str, str] = {
    **VECTORS["credentials"],
    "api_key_sid": "SK" + "0" * 31 + "1",
    "api_key_secret": "secret-of-the-api-key",
}
TOKEN_ONLY = {"account_sid": CREDENTIALS["account_sid"], "auth_token": CREDENTIALS["auth_token"]}
INBOUND_URL = "https://relay.example/hooks/twilio/c1/inbound"
HEADERS = {"content-type": "application/x-www-form-urlencoded", "x-twilio-webhooks-signature-settings": ""}
MESSAGE = {
    "sid": "SM" + "e" * 32,
    "body": TEXT,
    "status": "queued",
    "error_code": None,
    "date_created": "Fri, 20 Nov 2026 16:00:05 +0000",
    "to": SENDER,
    "from": NUMBER,
}


def signed(webhook: Webhook, secret: str) -> Webhook:
    pairs = sorted(set(parse_qsl(webhook.body.decode(), keep_blank_values=True)))
    text = webhook.url + "".join(name + value for name, value in pairs)
    signature = base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()
    return replace(webhook, headers={**webhook.headers, "x-twilio-signature": signature})


def form(**fields: str) -> Webhook:
    named = {"AccountSid": CREDENTIALS["account_sid"], "MessageSid": "SM" + "a" * 32, "From": SENDER, "To": NUMBER}
    body = urlencode({**named, "FromCity": "", **fields}).encode()
    return signed(Webhook("POST", INBOUND_URL, HEADERS, body), CREDENTIALS["auth_token"])


def same_request(one: Webhook, other: Webhook) -> bool:
    """Percent-escapes may be spelt in either case, and ``a&b`` is ``a=&b=``: what is signed is what they decode to."""

    def meaning(webhook: Webhook) -> object:
        pairs = parse_qsl(webhook.body.decode("latin-1"), keep_blank_values=True)
        return webhook.url, webhook.headers.get("x-twilio-signature"), sorted(set(pairs))

    return meaning(one) == meaning(other)


class TestTwilio(AdapterContract):
    samples = Samples(
        adapter=ADAPTER,
        credentials=CREDENTIALS,
        optional_secrets=("auth_token_secondary", "shared_key"),
        second_secret=CREDENTIALS["auth_token_secondary"],
        signature_header="x-twilio-signature",
        inbound=form(Body=TEXT),
        receipt=form(MessageStatus="undelivered", ErrorCode="30003"),
        receipt_with_unknown_word=form(MessageStatus="teleported", ErrorCode="30003"),
        inbound_of_another_account=form(Body=TEXT, AccountSid="AC" + "0" * 31 + "2"),
        accepted=HttpResponse(201, {}, json.dumps(MESSAGE).encode()),
        sign=signed,
        saying=lambda text: form(Body=text),
        same_request=same_request,
    )


def vector(case: dict[str, Any]) -> tuple[dict[str, str], Webhook]:
    credentials = case.get("credentials", VECTORS["credentials"])
    return credentials, Webhook("POST", case["url"], case["headers"], case["body"].encode())


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["desc"]) for case in cases]


@pytest.mark.parametrize("case", named(VECTORS["requests"]))
def test_a_webhook_is_judged_as_its_vector_says(case: dict[str, Any]) -> None:
    credentials, webhook = vector(case)

    assert refused(ADAPTER.verify_webhook, credentials, webhook) == (case["verify"] == "refused")


@pytest.mark.parametrize("case", named([case for case in VECTORS["requests"] if "inbound" in case]))
def test_a_text_is_read_as_its_vector_says(case: dict[str, Any]) -> None:
    _, webhook = vector(case)

    if case["inbound"] == "refused":
        assert refused(ADAPTER.read_inbound, webhook)
    else:
        assert asdict(ADAPTER.read_inbound(webhook)) == case["inbound"]


@pytest.mark.parametrize("case", named([case for case in VECTORS["requests"] if "receipt" in case]))
def test_a_receipt_is_read_as_its_vector_says(case: dict[str, Any]) -> None:
    _, webhook = vector(case)

    assert asdict(ADAPTER.read_receipt(webhook)) == case["receipt"]


@pytest.mark.parametrize("case", named(VECTORS["answers"]))
def test_an_answer_is_classed_as_its_vector_says(case: dict[str, Any]) -> None:
    answer = HttpResponse(case["status"], case.get("headers", {}), case["body"].encode())
    expected = {name: value for name, value in case.items() if name not in ("desc", "status", "headers", "body")}
    outcome = ADAPTER.read_send(answer)

    word = {"Accepted": "accepted", "NotSent": "not_sent", "Refused": "refused", "Ambiguous": "ambiguous"}
    assert {"outcome": word[type(outcome).__name__], **asdict(outcome)} == expected


def test_a_person_is_asked_nothing_by_name_that_the_adapter_does_not_explain() -> None:
    assert set(ADAPTER.fields) == set(CREDENTIALS)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"account_sid": "SK" + "0" * 32}, "account_sid"),
        ({"account_sid": ""}, "account_sid"),
        ({"auth_token": ""}, "auth_token"),
        ({"api_key_secret": ""}, "api_key_sid"),
        ({"api_key_sid": ""}, "api_key_sid"),
        ({"api_key_sid": "AC" + "0" * 32}, "api_key_sid"),
        ({"shared_key": "two words"}, "shared_key"),
    ],
)
def test_a_credential_is_refused_by_name_when_it_cannot_be_twilios(changes: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ADAPTER.check_credentials({**CREDENTIALS, **changes})

    assert [problem.field for problem in refusal.value.problems] == [named]


def test_credentials_are_enough_when_the_optional_ones_are_left_out_or_blank() -> None:
    ADAPTER.check_credentials(TOKEN_ONLY)
    ADAPTER.check_credentials({**dict.fromkeys(ADAPTER.fields, ""), **TOKEN_ONLY})


@pytest.mark.parametrize(
    ("credentials", "user"), [(TOKEN_ONLY, "account_sid:auth_token"), (CREDENTIALS, "api_key_sid:api_key_secret")]
)
def test_a_request_is_authenticated_by_the_api_key_when_there_is_one(credentials: dict[str, str], user: str) -> None:
    request = ADAPTER.build_send(credentials, ADAPTER.base_url, OUTBOUND)
    name, secret = (credentials[field] for field in user.split(":"))

    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
    assert f"/Accounts/{credentials['account_sid']}/" in request.url


def test_a_text_is_sent_as_a_form_with_the_address_for_receipts() -> None:
    request = ADAPTER.build_send(CREDENTIALS, "https://carrier.example/", OUTBOUND)
    form = {"To": SENDER, "From": NUMBER, "Body": TEXT, "StatusCallback": OUTBOUND.callback_url}

    assert (request.method, dict(parse_qsl(request.body.decode()))) == ("POST", form)
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.url == f"https://carrier.example/2010-04-01/Accounts/{CREDENTIALS['account_sid']}/Messages.json"


@pytest.mark.parametrize(
    "since", [SINCE, datetime(2026, 11, 21, 1, 30, tzinfo=timezone(timedelta(hours=2))), SINCE.replace(hour=0)]
)
def test_a_search_asks_for_the_utc_day_when_the_time_is_given_in_any_zone(since: datetime) -> None:
    request = ADAPTER.build_find(CREDENTIALS, "https://carrier.example/", NUMBER, SENDER, since)
    query = dict(parse_qsl(urlsplit(request.url).query))

    assert request.method == "GET"
    assert query == {"To": SENDER, "From": NUMBER, "DateSent>": "2026-11-20", "PageSize": "100"}


@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        (204, b"", True),
        (404, b'{"code": 20404, "status": 404}', True),
        (404, b'{"code": 20003}', False),
        (409, b'{"code": 20009}', False),
        (400, b'{"code": 20009}', False),
        (429, b'{"code": 20429}', False),
    ],
)
def test_a_deleted_text_is_gone_also_when_it_was_gone_before(status: int, body: bytes, *, gone: bool) -> None:
    assert ADAPTER.read_redact(HttpResponse(status, {}, body)) is gone


def page(*messages: object) -> HttpResponse:
    return HttpResponse(200, {}, json.dumps({"messages": messages, "next_page_uri": None}).encode())


def test_found_texts_carry_time_and_outcome() -> None:
    failed = {
        **MESSAGE,
        "status": "undelivered",
        "error_code": 30007,
        "date_created": "Fri, 20 Nov 2026 11:00:05 -0500",
    }
    first, second = ADAPTER.read_find(page(MESSAGE, failed))

    assert (first.provider_id, first.text, first.at) == (MESSAGE["sid"], TEXT, SINCE + timedelta(seconds=5))
    assert first.outcome == Receipt(first.provider_id, ReceiptWord.ACCEPTED)
    assert second.at == first.at
    assert second.outcome == Receipt(second.provider_id, ReceiptWord.UNDELIVERED, Reason.CARRIER_FILTERED)


@pytest.mark.parametrize("code", [None, [], {}, "30007", True, 39999])
def test_a_found_text_failed_for_a_reason_unknown_when_its_code_is_none_of_twilios(code: object) -> None:
    (found,) = ADAPTER.read_find(page({**MESSAGE, "status": "failed", "error_code": code}))

    assert found.outcome == Receipt(found.provider_id, ReceiptWord.UNDELIVERED, Reason.UNKNOWN)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {**MESSAGE, "sid": None},
        {**MESSAGE, "body": None},
        {**MESSAGE, "body": "\ud800"},
        {**MESSAGE, "status": 7},
        {**MESSAGE, "date_created": None},
        {**MESSAGE, "date_created": "yesterday"},
        {**MESSAGE, "date_created": "Fri, 20 Nov 2026 16:00:05"},
    ],
)
def test_found_texts_do_not_vanish_when_one_beside_them_is_odd(odd: object) -> None:
    assert [found.text for found in ADAPTER.read_find(page(odd, MESSAGE))] == [TEXT]


@pytest.mark.parametrize("answer", [replace(page(MESSAGE), status=401), HttpResponse(200, {}, b"{}")])
def test_a_search_is_refused_when_the_answer_is_no_page(answer: HttpResponse) -> None:
    with pytest.raises(WebhookRefused):
        ADAPTER.read_find(answer)


def test_the_check_reads_nobodys_text() -> None:
    request = ADAPTER.build_check(CREDENTIALS, ADAPTER.base_url)

    assert request.method == "GET"
    assert dict(parse_qsl(urlsplit(request.url).query)) == {"DateSent": "2000-01-01", "PageSize": "1"}


@pytest.mark.parametrize(("status", "right"), [(200, True), (401, False), (403, False), (404, False)])
def test_the_check_tells_whether_the_credentials_are_right(status: int, right: bool) -> None:
    assert ADAPTER.read_check(HttpResponse(status)) is right


@pytest.mark.parametrize("status", [204, 302, 400, 429, 500, 503])
def test_the_check_does_not_blame_the_credentials_when_twilio_is_in_trouble(status: int) -> None:
    with pytest.raises(WebhookRefused):
        ADAPTER.read_check(HttpResponse(status))


@pytest.mark.parametrize("sentence", ["This number takes texts only.", "Texts & <b>nothing</b> \"else\" 'é' ]]>\x00"])
def test_a_caller_hears_the_sentence_whatever_is_in_it(sentence: str) -> None:
    body, content_type = ADAPTER.answer_call(sentence)
    root = xml.etree.ElementTree.fromstring(body)

    assert content_type == "text/xml"
    assert [(root.tag, child.tag, child.text) for child in root] == [("Response", "Say", sentence.rstrip("\x00"))]
