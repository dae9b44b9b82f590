"""What every adapter must do, whatever its provider: one suite, and the samples it needs from each.

A test module makes ``Samples`` and a class ``Test...(AdapterContract)`` that holds them; the tests come by inheritance.
A rule for all providers is added here, never to one provider's tests. What a provider's own words mean is data in
``tests/vectors`` and is not asked here.

The danger: a suite that passes because its samples are wrong. So the first test asks that the good ones are good.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import InvalidInput, WebhookRefused
from relay.providers.base import (
    Accepted,
    Adapter,
    Ambiguous,
    Found,
    HttpRequest,
    HttpResponse,
    NotSent,
    OutboundText,
    Receipt,
    ReceiptWord,
    Webhook,
)

SENDER, NUMBER, TEXT, TOKEN = "+12025550123", "+14155550177", "a text nobody may read", "t0k3n"
SINCE = datetime(2026, 11, 20, 16, tzinfo=UTC)
OUTBOUND = OutboundText(NUMBER, SENDER, TEXT, f"https://relay.example/{TOKEN}")
FLIPS = 10_000


@dataclass(frozen=True, kw_only=True)
class Samples:
    """One provider's good and bad requests.

    ``credentials`` has every field filled. ``inbound`` carries TEXT from SENDER to NUMBER and, like all others, is
    signed with the first secret. ``sign`` is the provider's side: the same request, signed with another secret.
    ``saying`` is an inbound text of other words. ``same_request`` is true of two spellings of one request, where the
    provider signs what a body means and not its bytes.
    """

    adapter: Adapter
    credentials: dict[str, str]
    optional_secrets: tuple[str, ...]
    second_secret: str
    signature_header: str
    inbound: Webhook
    receipt: Webhook
    receipt_with_unknown_word: Webhook
    inbound_of_another_account: Webhook
    accepted: HttpResponse
    sign: Callable[[Webhook, str], Webhook]
    saying: Callable[[str], Webhook]
    same_request: Callable[[Webhook, Webhook], bool]

    @property
    def secrets(self) -> list[str]:
        return [value for name, value in self.credentials.items() if not name.endswith(("_sid", "_id"))]

    def requests(self, base_url: str) -> list[HttpRequest]:
        requests = [
            self.adapter.build_send(self.credentials, base_url, OUTBOUND),
            self.adapter.build_check(self.credentials, base_url),
        ]
        if self.adapter.capabilities.finds_messages:
            requests.append(self.adapter.build_find(self.credentials, base_url, NUMBER, SENDER, SINCE))
        if self.adapter.capabilities.deletes_messages:
            requests.append(
                self.adapter.build_redact(
                    self.credentials, base_url, self.adapter.read_inbound(self.inbound).provider_id
                )
            )
        return requests

    def refuses(self, webhook: Webhook) -> bool:
        return refused(self.adapter.verify_webhook, self.credentials, webhook)


class AdapterContract:
    """Inherit it and set ``samples``."""

    samples: Samples

    def test_the_good_samples_are_accepted_and_read(self) -> None:
        s = self.samples
        s.adapter.check_credentials(s.credentials)
        inbound = s.adapter.read_inbound(s.inbound)

        assert not s.refuses(s.inbound)
        assert not s.refuses(s.receipt)
        assert (inbound.sender, inbound.number, inbound.text) == (SENDER, NUMBER, TEXT)
        assert s.adapter.read_receipt(s.receipt).word is not ReceiptWord.UNKNOWN
        assert isinstance(s.adapter.read_send(s.accepted), Accepted)

    def test_a_webhook_is_accepted_when_the_second_secret_signed_it(self) -> None:
        assert not self.samples.refuses(self.samples.sign(self.samples.inbound, self.samples.second_secret))

    def test_a_webhook_is_refused_when_a_stranger_signed_it(self) -> None:
        assert self.samples.refuses(self.samples.sign(self.samples.inbound, "a secret that is not ours"))

    def test_a_webhook_is_refused_when_a_blank_secret_signed_it(self) -> None:
        s = self.samples
        credentials = {**s.credentials, **dict.fromkeys(s.optional_secrets, "")}

        assert refused(s.adapter.verify_webhook, credentials, s.sign(s.inbound, ""))

    def test_a_webhook_is_refused_when_it_has_no_headers(self) -> None:
        assert self.samples.refuses(replace(self.samples.inbound, headers={}))
        assert self.samples.refuses(replace(self.samples.receipt, headers={}))

    def test_a_webhook_is_refused_when_it_is_rightly_signed_for_another_account(self) -> None:
        assert self.samples.refuses(self.samples.inbound_of_another_account)

    def test_a_webhook_is_refused_when_one_bit_of_it_is_flipped(self) -> None:
        s = self.samples
        flips = [flip for flip in _flipped(s.inbound, s.signature_header) if not s.same_request(flip, s.inbound)]
        accepted = [flip for flip in flips if not s.refuses(flip)]

        assert len(flips) > FLIPS * 0.99
        assert accepted == []

    def test_a_webhook_is_refused_when_its_body_is_cut_off_anywhere(self) -> None:
        body = self.samples.inbound.body
        cuts = [replace(self.samples.inbound, body=body[:length]) for length in range(len(body))]

        assert [cut for cut in cuts if not self.samples.refuses(cut)] == []

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_garbage_is_refused_and_nothing_else_is_raised(self, data: st.DataObject) -> None:
        s = self.samples
        known = st.sampled_from([*s.inbound.headers.values(), "application/json", "a=b,c"])
        headers = st.fixed_dictionaries({}, optional=dict.fromkeys(s.inbound.headers, st.text(max_size=50) | known))
        url = st.text(max_size=50) | st.text(max_size=50).map(lambda tail: s.inbound.url + tail)
        webhook = Webhook("POST", data.draw(url), data.draw(headers), data.draw(_bodies(s.inbound.body)))

        assert s.refuses(webhook) or s.same_request(webhook, s.inbound)
        refused(s.adapter.read_inbound, webhook)
        refused(s.adapter.read_receipt, webhook)

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_garbage_as_an_answer_proves_nothing(self, data: st.DataObject) -> None:
        s = self.samples
        status = data.draw(st.sampled_from([200, 201, 202, 204, 301, 307, 500, 502, 503, 599]))
        headers = data.draw(st.dictionaries(st.just("retry-after"), st.text()))
        answer = HttpResponse(status, headers, data.draw(_bodies(s.accepted.body)))
        outcome = s.adapter.read_send(answer)

        # What was spliced can still be whole enough to name the text.
        assert isinstance(outcome, Accepted | Ambiguous if status < 300 else Ambiguous)
        refused(s.adapter.read_find, answer)
        refused(s.adapter.read_check, answer)

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 451, 499])
    def test_a_4xx_is_never_final_when_it_is_not_in_the_providers_words(self, status: int) -> None:
        """Some gateway's page knows nothing about the text, which must not be given up because of it."""
        outcome = self.samples.adapter.read_send(HttpResponse(status, {}, b"<html>Sorry</html>"))

        assert isinstance(outcome, NotSent | Ambiguous)

    @pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503])
    def test_a_text_is_not_deleted_when_no_word_of_the_provider_says_so(self, status: int) -> None:
        for body in (b"", b"<html>Sorry</html>", b"[" * 60_000, b'{"code": 20009}'):
            assert self.samples.adapter.read_redact(HttpResponse(status, {}, body)) is False

    @pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 20_000, b"1" * 60_000, b"\xff\xfe[\x00", b"&" * 60_000])
    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", ""])
    def test_a_body_is_refused_when_it_is_made_to_choke_on(self, body: bytes, content_type: str) -> None:
        s = self.samples
        webhook = replace(s.inbound, headers={**s.inbound.headers, "content-type": content_type}, body=body)

        assert s.refuses(webhook)
        assert refused(s.adapter.read_inbound, webhook)
        assert refused(s.adapter.read_receipt, webhook)
        assert s.adapter.read_send(HttpResponse(201, {}, body)) == Ambiguous()
        assert refused(s.adapter.read_find, HttpResponse(200, {}, body))

    def test_a_status_tells_nothing_when_its_word_is_not_known(self) -> None:
        s = self.samples

        assert not s.refuses(s.receipt_with_unknown_word)
        assert s.adapter.read_receipt(s.receipt_with_unknown_word).word is ReceiptWord.UNKNOWN
        assert s.adapter.read_receipt(s.receipt_with_unknown_word).reason is None

    def test_an_event_reads_the_same_when_it_is_repeated(self) -> None:
        s = self.samples

        assert s.adapter.read_inbound(s.inbound) == s.adapter.read_inbound(replace(s.inbound))
        assert s.adapter.read_receipt(s.receipt) == s.adapter.read_receipt(replace(s.receipt))

    def test_control_characters_are_dropped_from_a_text_except_tab_and_line_ends(self) -> None:
        webhook = self.samples.saying("a" + "".join(map(chr, range(32))) + "b")

        assert not self.samples.refuses(webhook)
        assert self.samples.adapter.read_inbound(webhook).text == "a\t\n\rb"

    @pytest.mark.parametrize("text", ["é ß 漢字 🇫🇷", "100% & <b> + = ? #", "'; drop table person; --", " ", "x" * 1600])
    def test_a_text_is_read_as_it_was_written(self, text: str) -> None:
        webhook = self.samples.saying(text)

        assert not self.samples.refuses(webhook)
        assert self.samples.adapter.read_inbound(webhook).text == text

    def test_requests_go_below_the_given_base_url_and_keep_secrets_out_of_it(self) -> None:
        for request in self.samples.requests("http://127.0.0.1:9/carrier"):
            assert request.url.startswith("http://127.0.0.1:9/carrier/")
            assert not _among(self.samples.secrets, request.url)

    def test_values_do_not_show_personal_data_or_secrets_when_printed(self) -> None:
        s = self.samples
        values: list[object] = [*s.requests("https://carrier.example"), s.inbound, s.receipt, s.accepted, OUTBOUND]
        values += [
            s.adapter.read_inbound(s.inbound),
            s.adapter.read_receipt(s.receipt),
            s.adapter.read_send(s.accepted),
        ]
        values.append(Found("id", TEXT, SINCE, Receipt("id", ReceiptWord.ACCEPTED)))

        assert not _among([SENDER[1:], NUMBER[1:], TEXT, TOKEN, *s.secrets], repr(values))

    def test_a_refusal_shows_nothing_of_what_it_refused(self) -> None:
        s = self.samples
        broken = [replace(s.inbound, body=body + s.inbound.body) for body in (b"%zz", b"%ff", b"\xff", b"{")]
        for webhook in [s.inbound_of_another_account, replace(s.inbound, headers={}), *broken]:
            with pytest.raises(WebhookRefused) as refusal:
                s.adapter.verify_webhook(s.credentials, webhook)

            assert not _among([SENDER[1:], NUMBER[1:], TEXT, *s.secrets], _all_of(refusal.value))

    def test_wrong_credentials_are_named_but_not_repeated(self) -> None:
        s = self.samples
        for name in s.credentials:
            with pytest.raises(InvalidInput) as refusal:
                s.adapter.check_credentials({**s.credentials, name: "not one\n"})

            assert name in [problem.field for problem in refusal.value.problems]
            assert not _among(["not one", *s.secrets], _all_of(refusal.value))

    def test_credentials_are_refused_when_one_is_missing_or_unknown(self) -> None:
        s = self.samples
        for credentials in ({}, {**s.credentials, "colour": "blue"}, dict.fromkeys(s.credentials, "")):
            with pytest.raises(InvalidInput):
                s.adapter.check_credentials(credentials)

        assert set(s.credentials) == set(s.adapter.fields)


def refused(function: Callable[..., object], *arguments: object) -> bool:
    """Does it raise WebhookRefused? Any other exception passes and fails the test."""
    try:
        function(*arguments)
    except WebhookRefused:
        return True
    return False


def _flipped(webhook: Webhook, signature_header: str) -> Iterator[Webhook]:
    """Requests that differ from the given one in one bit: of the body, of path and query, or of the signature."""
    chance = random.Random(20261120)
    # Scheme and host come from our own settings; nobody outside chooses them.
    path = webhook.url.index("/", webhook.url.index("://") + 3)
    for number in range(FLIPS):
        if number % 2 == 0:
            yield replace(webhook, body=_flip(webhook.body.decode("latin-1"), chance).encode("latin-1"))
        elif number % 4 == 1:
            yield replace(webhook, url=webhook.url[:path] + _flip(webhook.url[path:], chance))
        else:
            signature = _flip(webhook.headers[signature_header], chance)
            yield replace(webhook, headers={**webhook.headers, signature_header: signature})


def _flip(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + chr(ord(text[at]) ^ 1 << chance.randrange(8)) + text[at + 1 :]


def _bodies(good: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and a good body with a piece of it replaced."""
    ends = st.integers(0, len(good))
    spliced = st.tuples(ends, st.binary(max_size=20), ends).map(lambda cut: good[: cut[0]] + cut[1] + good[cut[2] :])
    return st.binary(max_size=200) | spliced


def _among(words: list[str], text: str) -> list[str]:
    return [word for word in words if word in text]


def _all_of(error: BaseException | None) -> str:
    """Everything that a careless log line could print of an error and of those behind it."""
    shown = ""
    while error:
        shown += f"{error} {error!r} {vars(error)}"
        error = error.__context__
    return shown
