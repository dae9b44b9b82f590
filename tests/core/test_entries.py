"""Records of the audit log: their exact bytes, what they never hold, and the leaf that stands for them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from relay.core.entries import Direction, Fact, Thing, coarsened, decoded, encoded, leaf_of, record_of, reference
from relay.core.errors import EvidenceRefused
from relay.core.ids import IdKind, Seed, public
from relay.core.merkle import leaf_hash
from relay.core.rules import Rule

AT = datetime(2026, 11, 21, 12, 34, 56, 789_000, tzinfo=UTC)
KEY = bytes(range(32))
EXAMPLE_LEAF_HASH = "33adf215819253b36dc71b2d3f55a8db4c98dc8b9281c14084b8e92cda240bdc"


ACCOUNT = Seed(AT - timedelta(days=400), bytes(10)).id_in(7)


def an_id(number: int) -> UUID:
    return Seed(AT, number.to_bytes(10, "big")).id_in(7)


TEXT = Fact(
    id=an_id(1),
    account_id=ACCOUNT,
    type="message.refused",
    at=AT,
    session_id=an_id(3),
    participant_id=an_id(4),
    message_id=an_id(5),
    reason="opted_out",
    carried_by=an_id(9),
    direction=Direction.IN,
    segments=2,
    provider="twilio",
    country="SE",
)


def test_a_record_has_these_bytes() -> None:
    """Written out, because strangers' verifiers depend on them: docs/audit-log.md has the same example."""
    record = record_of(TEXT, KEY)

    assert record == (
        b'{"account":"acc_agm7ekuesvyabaaaaaaaaaaaa4","country":"SE","direction":"in","event":"message.refused",'
        b'"id":"a68db579f8ee07d05cca49c6ac7c916b","message":"9755828c05d5397fc07d9d49f3ae8a49",'
        b'"participant":"6dde42a3eee670f31c03414cd6329035","provider":"twilio","reason":"opted_out","schema":1,"segments":2,'
        b'"session":"926a85b55cefe3efae81b8c0e12b4d2d","time":"2026-11-21T12:34:00Z"}'
    )
    assert leaf_of(bytes(32), record).hex() == "65726b2cbd03002e756bf25b117568a78fb7979c200bbf18504df3217c3fae93"
    assert leaf_hash(leaf_of(bytes(32), record)).hex() == EXAMPLE_LEAF_HASH


def test_the_document_for_strangers_has_the_same_example() -> None:
    document = (Path(__file__).parents[2] / "docs" / "audit-log.md").read_text("utf-8")

    assert record_of(TEXT, KEY).decode() in document
    assert leaf_of(bytes(32), record_of(TEXT, KEY)).hex() in document
    assert EXAMPLE_LEAF_HASH in document


def test_what_an_event_does_not_say_is_left_out() -> None:
    record = json.loads(record_of(Fact(an_id(1), ACCOUNT, "pool.ready", AT), KEY))

    assert sorted(record) == ["account", "event", "id", "schema", "time"]


def test_an_event_of_a_number_names_it_its_provider_and_its_country() -> None:
    fact = Fact(an_id(1), ACCOUNT, "number.added", AT, number_id=an_id(9), provider="twilio", country="SE")
    record = json.loads(record_of(fact, KEY))

    assert (record["number"], record["provider"], record["country"]) == (
        public(IdKind.NUMBER, an_id(9)),
        "twilio",
        "SE",
    )


def test_an_event_of_a_rule_names_it_and_not_its_word() -> None:
    rule_id = Rule("JOIN", event=True).id_in(an_id(9))
    record = json.loads(record_of(Fact(an_id(1), ACCOUNT, "rule.matched", AT, rule_id=rule_id), KEY))

    assert record["rule"] == public(IdKind.RULE, rule_id)
    assert "join" not in json.dumps(record).lower()


@pytest.mark.parametrize(
    "event", ["message.received", "participant.opted_out", "rule.matched", "verification.approved"]
)
def test_the_time_of_what_people_do_is_coarsened_to_the_minute(event: str) -> None:
    assert coarsened(event, AT) == AT.replace(second=0, microsecond=0)


def test_other_times_are_told_to_the_second_and_in_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))

    assert coarsened("session.opened", there) == AT.replace(microsecond=0)
    assert json.loads(record_of(replace(TEXT, type="session.opened", at=there), KEY))["time"] == "2026-11-21T12:34:56Z"


def test_no_id_of_a_row_is_in_a_record_that_tells_when_it_was_made() -> None:
    record = record_of(TEXT, KEY).decode()

    for number in (1, 3, 4, 5):
        for kind in (IdKind.EVENT, IdKind.SESSION, IdKind.PARTICIPANT, IdKind.MESSAGE):
            assert public(kind, an_id(number)).partition("_")[2][:10] not in record
        assert str(an_id(number)) not in record


def test_references_differ_by_kind_by_account_and_by_id() -> None:
    found = {reference(key, thing, an_id(n)) for key in (KEY, bytes(32)) for thing in Thing for n in range(3)}

    assert len(found) == 2 * len(Thing) * 3
    assert reference(KEY, Thing.SESSION, an_id(3)) == reference(KEY, Thing.SESSION, an_id(3))


WRONG_VALUES = {
    "a formula": {"reason": "=1+1"},
    "another formula": {"provider": "@SUM"},
    "a sign": {"provider": "-1"},
    "a phone": {"provider": "+12025550100"},
    "a phone as a reason": {"reason": "12025550100"},
    "a sentence": {"reason": "they asked"},
    "a float": {"segments": 1.5},
    "a truth": {"segments": True},
    "nothing": {"reason": ""},
    "a list": {"reason": ["late"]},
    "a newline": {"reason": "late\n"},
    "another script": {"provider": "тwilio"},
    "too long": {"provider": "x" * 81},
}


@pytest.mark.parametrize("wrong", WRONG_VALUES.values(), ids=WRONG_VALUES.keys())
def test_nothing_else_gets_into_a_record(wrong: dict[str, str]) -> None:
    good = dict(decoded(record_of(TEXT, KEY)))

    with pytest.raises((ValueError, TypeError)):
        encoded({**good, **wrong})


def test_a_record_is_read_as_it_was_written() -> None:
    record = record_of(TEXT, KEY)

    assert encoded(decoded(record)) == record


GOOD = record_of(TEXT, KEY)
OTHER_SPELLINGS = {
    "nothing": b"",
    "white space": GOOD.replace(b":", b": "),
    "another order": b"{" + b",".join(GOOD[1:-1].split(b",")[::-1]) + b"}",
    "a name twice": GOOD.replace(b'"schema":1', b'"schema":1,"schema":1'),
    "an escape": GOOD.replace(b"opted_out", b"opted\\u005fout"),
    "a float": GOOD.replace(b'"segments":2', b'"segments":2.0'),
    "a newline behind": GOOD + b"\n",
    "another version": GOOD.replace(b'"schema":1', b'"schema":2'),
    "no schema": GOOD.replace(b'"schema":1,', b""),
    "another time": GOOD.replace(b"12:34:00Z", b"12:34:00+00:00"),
    "a list": b"[]",
    "no JSON": b"{",
    "no UTF-8": b"\xff",
    "deep": b"[" * 1900,
    "endless": b'{"a":"' + b"x" * 3000 + b'"}',
}


@pytest.mark.parametrize("spelled", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS.keys())
def test_another_spelling_is_no_record(spelled: bytes) -> None:
    with pytest.raises(EvidenceRefused):
        decoded(spelled)


def test_a_leaf_is_the_hash_of_salt_and_record() -> None:
    assert leaf_of(KEY, b"{}") == sha256(KEY + b"{}").digest()

    with pytest.raises(EvidenceRefused):
        leaf_of(KEY[:31], b"{}")
