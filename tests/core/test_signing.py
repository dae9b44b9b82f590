"""Signatures of webhooks: what is signed, what is refused, and the official package as the judge."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from relay.core.signing import TOLERANCE, SignatureRefused, headers, secret_of, sign, verify

SECRET, FORMER = secret_of(bytes(range(32))), secret_of(bytes(32))
AT = datetime(2026, 11, 21, 12, 0, 0, 900_000, tzinfo=UTC)
BODY = '{"type":"session.closed","note":"å"}'.encode()


def signed(*secrets: str) -> dict[str, str]:
    return headers(secrets or (SECRET,), "evt_a", AT, BODY)


def test_the_signature_is_that_of_the_specification_when_its_own_example_is_signed() -> None:
    """The example of the official libraries' tests."""
    at = datetime.fromtimestamp(1614265330, tz=UTC)

    assert (
        sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_the_same_instant_signs_alike_when_it_is_written_in_another_zone() -> None:
    there = AT.astimezone(timezone(timedelta(hours=2)))

    assert sign(SECRET, "evt_a", AT, BODY) == sign(SECRET, "evt_a", there, BODY)


def test_either_secret_verifies_when_two_of_them_live() -> None:
    both = signed(SECRET, FORMER)

    assert both["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, FORMER):
        verify(secret, both, BODY, now=AT)


CHANGED = {
    "another body": ({}, BODY + b" ", SECRET),
    "another id": ({"webhook-id": "evt_b"}, BODY, SECRET),
    "another time": ({"webhook-timestamp": str(int(AT.timestamp()) + 1)}, BODY, SECRET),
    "another secret": ({}, BODY, FORMER),
    "no secret": ({}, BODY, "whsec_%%%"),
    "no id": ({"webhook-id": ""}, BODY, SECRET),
    "no time": ({"webhook-timestamp": ""}, BODY, SECRET),
    "no number": ({"webhook-timestamp": "١٢"}, BODY, SECRET),
    "a fraction": ({"webhook-timestamp": "1.5"}, BODY, SECRET),
    "no signature": ({"webhook-signature": ""}, BODY, SECRET),
    "no version": ({"webhook-signature": sign(SECRET, "evt_a", AT, BODY)[3:]}, BODY, SECRET),
    "another version": ({"webhook-signature": "v2" + sign(SECRET, "evt_a", AT, BODY)[2:]}, BODY, SECRET),
    "no base64": ({"webhook-signature": "v1,%%%"}, BODY, SECRET),
    "beyond ascii": ({"webhook-signature": "v1,é"}, BODY, SECRET),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_webhook_is_refused_when_anything_of_it_is_not_what_was_signed(what: str) -> None:
    change, body, secret = CHANGED[what]

    with pytest.raises(SignatureRefused) as refused:
        verify(secret, signed() | change, body, now=AT)
    assert secret not in str(refused.value)


@pytest.mark.parametrize("away", [TOLERANCE + timedelta(seconds=2), -TOLERANCE - timedelta(seconds=2)])
def test_a_webhook_is_refused_when_its_time_is_too_far_away(away: timedelta) -> None:
    verify(SECRET, signed(), BODY, now=AT + away * 0.9)

    with pytest.raises(SignatureRefused):
        verify(SECRET, signed(), BODY, now=AT + away)


def test_a_secret_needs_all_its_chance_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        secret_of(b"short")


@pytest.mark.oracle
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 5000])
def test_the_official_package_is_content_when_we_have_signed(length: int) -> None:
    judge = pytest.importorskip("standardwebhooks")
    body = json.dumps({"text": "å" * length}, ensure_ascii=False).encode()
    now = datetime.now(tz=UTC)
    sent = headers((SECRET, FORMER), "evt_a", now, body)

    for secret in (SECRET, FORMER):
        assert judge.Webhook(secret).verify(body, sent) == json.loads(body)
    with pytest.raises(judge.WebhookVerificationError):
        judge.Webhook(SECRET).verify(body + b" ", sent)
    theirs = judge.Webhook(base64.b64decode(SECRET[6:])).sign("evt_a", now, body.decode())
    verify(SECRET, sent | {"webhook-signature": theirs}, body, now=now)
