"""Twilio's own Python package as the judge: of our signature check, of the vectors, and of our requests.

Skipped where the package (extra ``oracles``) is not installed. Nothing of it is used outside this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.providers.base import Webhook
from relay.providers.twilio import ADAPTER
from tests.providers.contract import NUMBER, OUTBOUND, SENDER, SINCE, refused

pytestmark = pytest.mark.oracle

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "twilio.json").read_text("utf-8"))
CREDENTIALS: dict[str, str] = VECTORS["credentials"]


class SeveralValues(list[tuple[str, str]]):
    """A form as web frameworks hand it to Twilio's validator."""

    def __iter__(self) -> Any:
        return (name for name, _ in super().__iter__())

    def getall(self, name: str) -> list[str]:
        return [value for field, value in super().__iter__() if field == name]


FORMS = st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text()), max_size=12)
URLS = st.sampled_from(["https://relay.example", "https://relay.example:443", "http://relay.example:8080"]).flatmap(
    lambda base: st.text("abc/=&%+~é", max_size=20).map(lambda tail: f"{base}/hooks?{tail}")
)


@settings(max_examples=300, deadline=None)
@given(fields=FORMS, url=URLS, scheme=st.sampled_from(["HMAC_SHA1", "HMAC_SHA256"]))
def test_a_webhook_is_accepted_when_twilios_own_package_signed_it(
    fields: list[tuple[str, str]], url: str, scheme: str
) -> None:
    validator = pytest.importorskip("twilio.request_validator")
    fields = [*fields, ("AccountSid", CREDENTIALS["account_sid"])]
    secret = CREDENTIALS["auth_token" if scheme == "HMAC_SHA1" else "shared_key"]
    signature = validator.RequestValidator(secret).compute_signature(url, SeveralValues(fields), scheme)
    headers = {"x-twilio-signature": signature, "x-twilio-webhooks-signature-settings": f"key=k,algorithm={scheme}"}
    accounts = {value for name, value in fields if name == "AccountSid"}

    webhook = Webhook("POST", url, headers, urlencode(fields).encode())
    was_refused = refused(ADAPTER.verify_webhook, CREDENTIALS, webhook)

    # A second account in the random form makes it unclear whose it is, rightly signed or not.
    assert was_refused == (len(accounts) > 1)


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["desc"]) for case in VECTORS["requests"] if case["verify"] == "accepted"]
)
def test_a_vector_that_we_accept_is_accepted_by_twilios_own_package(case: dict[str, Any]) -> None:
    validator = pytest.importorskip("twilio.request_validator")
    headers = case["headers"]
    algorithm = validator.get_signature_algorithm(headers.get("x-twilio-webhooks-signature-settings"))
    is_json = "json" in headers["content-type"].lower()
    params = case["body"] if is_json else SeveralValues(parse_qsl(case["body"], keep_blank_values=True))
    secrets = [value for name, value in VECTORS["credentials"].items() if name != "account_sid"]

    assert any(
        validator.RequestValidator(secret).validate(case["url"], params, headers["x-twilio-signature"], algorithm)
        for secret in secrets
    )


def test_requests_are_those_of_twilios_own_client() -> None:
    rest = pytest.importorskip("twilio.rest")
    http = pytest.importorskip("twilio.http.response")
    answers = iter(
        [http.Response(201, '{"sid": "SM"}'), http.Response(200, '{"messages": []}'), http.Response(204, "")]
    )
    sid = "SM" + "0" * 32
    asked: list[dict[str, Any]] = []

    class Captured:
        def request(self, method: str, url: str, **options: Any) -> Any:
            asked.append({"method": method, "url": url, **options})
            return next(answers)

    client = rest.Client(CREDENTIALS["account_sid"], CREDENTIALS["auth_token"], http_client=Captured())
    client.messages.create(
        to=OUTBOUND.to, from_=OUTBOUND.sender, body=OUTBOUND.text, status_callback=OUTBOUND.callback_url
    )
    client.messages.list(to=SENDER, from_=NUMBER, date_sent_after=SINCE.date(), page_size=100)
    client.messages(sid).delete()
    send = ADAPTER.build_send(CREDENTIALS, ADAPTER.base_url, OUTBOUND)
    find = ADAPTER.build_find(CREDENTIALS, ADAPTER.base_url, NUMBER, SENDER, SINCE)
    redact = ADAPTER.build_redact(CREDENTIALS, ADAPTER.base_url, sid)
    their_send, their_find, their_redact = asked
    # Their client adds midnight to the day; the API's documentation knows days alone.
    their_find["params"]["DateSent>"] = their_find["params"]["DateSent>"].removesuffix("T00:00:00Z")

    assert (send.method, send.url) == (their_send["method"], their_send["url"])
    assert dict(parse_qsl(send.body.decode())) == their_send["data"]
    assert (redact.method, redact.url) == (their_redact["method"], their_redact["url"])
    assert (find.method, find.url.partition("?")[0]) == (their_find["method"], their_find["url"].partition("?")[0])
    assert dict(parse_qsl(urlsplit(find.url).query)) == {name: str(x) for name, x in their_find["params"].items()}
