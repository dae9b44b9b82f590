"""Logs: whatever is thrown at them, one event is one line of JSON, and nobody's words are on it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay import logs
from relay.core import ids
from relay.core.errors import NotFound

PHONE = "+12025550123"
ALWAYS = {"event", "level", "timestamp"}

anything = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.uuids() | st.text() | st.binary()
names = st.sampled_from(sorted(set(logs.DECLARED) - ALWAYS - {"undeclared"}))
others = st.sampled_from(["phone", "text", "body", "exception", "exc_info", "stack_info", "e164", "positional_args"])


@contextmanager
def captured() -> Iterator[io.StringIO]:
    """Where lines go for a while; logging is put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with captured() as stream:
        yield stream


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines so far, each parsed by itself; the stream is empty afterwards."""
    written = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    assert written == "" or written.endswith("\n")
    return [json.loads(line) for line in written.removesuffix("\n").split("\n")] if written else []


def test_declared_fields_are_written_when_noted(stream: io.StringIO) -> None:
    session = UUID(int=7)
    logs.note("opened", session=session, bucket=5, seconds=0.25, reason=None)
    (line,) = read(stream)

    assert {name: line[name] for name in line if name != "timestamp"} == {
        "event": "opened",
        "level": "info",
        "session": str(session),
        "bucket": 5,
        "seconds": 0.25,
        "reason": None,
    }
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None


def test_undeclared_fields_are_dropped_and_named_when_noted(stream: io.StringIO) -> None:
    logs.note("opened", text="see you at nine", count=1, phone=PHONE)
    (line,) = read(stream)

    assert line["undeclared"] == "phone,text"
    assert line["count"] == 1
    assert set(line) == ALWAYS | {"count", "undeclared"}


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(names, anything), st.dictionaries(others, anything), st.text(max_size=90))
def test_one_event_is_one_line_that_parses_when_fields_hold_anything(
    declared: dict[str, Any], undeclared: dict[str, Any], event: str
) -> None:
    with captured() as stream:
        logs.note(event, **declared, **undeclared)
        (line,) = read(stream)

    assert set(line) == ALWAYS | set(declared) | ({"undeclared"} if undeclared else set())
    assert line.get("undeclared", "") == ",".join(sorted(undeclared))
    for name, value in line.items():
        assert not isinstance(value, str) or (len(value) <= logs.DECLARED[name] and value.isprintable())


CONTROL = [
    *(chr(code) for code in range(0xA0) if not chr(code).isprintable()),
    "\u2028",
    "\u2029",
    "\u202e",
    "\ufeff",
    "\ud800",
]


@pytest.mark.parametrize("field", sorted(set(logs.DECLARED) - ALWAYS - {"undeclared"}))
def test_no_second_line_is_forged_when_a_field_holds_control_characters(stream: io.StringIO, field: str) -> None:
    forged = '\n{"event": "forged"}\r\n'
    logs.note("opened", **{field: "".join(CONTROL)}, bogus=1)
    logs.note("opened", **{field: forged})
    first, second = read(stream)

    assert set(first[field]) <= {"?"}
    assert second[field] == forged.replace("\n", "?").replace("\r", "?")[: logs.DECLARED[field]]
    assert [first["event"], second["event"]] == ["opened", "opened"]


@pytest.mark.parametrize("value", [b"\x00+12025550123", [PHONE], {"phone": PHONE}, ValueError(PHONE), object()])
def test_only_its_kind_is_written_when_a_value_is_no_plain_word(stream: io.StringIO, value: object) -> None:
    logs.note("opened", reason=value)
    (line,) = read(stream)

    assert line["reason"] == type(value).__name__


def test_a_long_word_is_cut_when_it_exceeds_its_field(stream: io.StringIO) -> None:
    logs.note("opened", reason="x" * 1000)
    (line,) = read(stream)

    assert line["reason"] == "x" * logs.DECLARED["reason"]


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)],
)
def test_quieter_lines_are_left_out_when_a_level_is_set(stream: io.StringIO, level: str, written: int) -> None:
    logs.configure(level=level, stream=stream)
    for urgency in ("debug", "info", "warning", "error"):
        logs.note("something", level=urgency)

    assert [line["level"] for line in read(stream)] == ["debug", "info", "warning", "error"][-written:]


@pytest.mark.parametrize("name", ["asyncpg", "httpx", "uvicorn.error", "relay.storage"])
def test_a_line_of_a_library_carries_no_message_when_it_warns(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).warning("cannot deliver %s to %s", "see you at nine", PHONE)
    (line,) = read(stream)

    assert {key: line[key] for key in line if key != "timestamp"} == {
        "event": "library",
        "level": "warning",
        "library": name,
        "error": None,
    }


def test_a_line_of_a_library_names_the_kind_of_error_when_there_is_one(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"{PHONE}: not a phone")
    except ValueError:
        logging.getLogger("asyncpg").exception("pool refill failed for %s", PHONE, extra={"phone": PHONE})
    (line,) = read(stream)

    assert (line["library"], line["level"], line["error"]) == ("asyncpg", "error", "ValueError")
    assert PHONE[1:] not in json.dumps(line)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_libraries_are_not_heard_when_nothing_is_wrong(stream: io.StringIO, level: int) -> None:
    """Their talk is where addresses and bodies are told; not even at our own debug level."""
    logs.configure(level="debug", stream=stream)
    logging.getLogger("httpx").log(level, "HTTP Request: POST %s", PHONE)

    assert read(stream) == []


@pytest.mark.parametrize("name", ["a\nb", "x" * 500, "\x1b[2J"])
def test_a_library_with_a_strange_name_stays_on_its_line_when_it_warns(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).error("see you at nine")
    (line,) = read(stream)

    assert len(line["library"]) <= logs.DECLARED["library"]
    assert line["library"].isprintable()


def test_an_exception_is_its_class_and_our_line_when_there_is_trouble(stream: io.StringIO) -> None:
    try:
        ids.parse(ids.IdKind.SESSION, PHONE)
    except NotFound as error:
        logs.trouble("lookup_failed", error, bucket=5)
    (line,) = read(stream)

    assert (line["event"], line["level"], line["error"], line["bucket"]) == ("lookup_failed", "error", "NotFound", 5)
    assert line["where"].startswith("relay.core.ids:")
    assert set(line) == ALWAYS | {"error", "where", "bucket"}


def test_no_words_are_written_when_an_exception_holds_some(stream: io.StringIO) -> None:
    try:
        try:
            raise KeyError("see you at nine")
        except KeyError as cause:
            error = RuntimeError(PHONE, "see you at nine")
            error.add_note(PHONE)
            raise error from cause
    except RuntimeError as caught:
        logs.trouble("failed", caught)
    written = stream.getvalue()
    (line,) = read(stream)

    assert not any(words in written for words in ("nine", PHONE[1:]))
    assert (line["error"], line["where"]) == ("RuntimeError", "")


def test_trouble_is_written_when_an_exception_was_never_raised(stream: io.StringIO) -> None:
    logs.trouble("failed", TimeoutError())
    (line,) = read(stream)

    assert (line["error"], line["where"]) == ("TimeoutError", "")


@example(10**30)
@example(float("inf"))
@given(st.integers() | st.floats())
@settings(deadline=None)
def test_a_number_is_written_when_it_is_any(number: float) -> None:
    with captured() as stream:
        logs.note("counted", count=number)
        (line,) = read(stream)

    assert line["count"] == number or number != number


def test_no_field_is_made_for_people_when_fields_are_declared() -> None:
    """The list is the promise: nothing in it is named for what a person has or says."""
    banned = {
        "phone",
        "text",
        "body",
        "e164",
        "to",
        "from",
        "sender",
        "recipient",
        "secret",
        "token",
        "exception",
        "url",
        "ip",
    }

    assert not banned & set(logs.DECLARED)
