"""The sandbox's routes over real HTTP: people, weather, ledger, clock, what is kept, and the page's own."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from tests.sandbox.sandbox_process import DRIVER, RIDER, Running, running, until

FAIR = {"latency_ms": 0, "swallow_rate": 0, "drop_receipts": False, "refuse": {}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with running("--ephemeral") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: Running) -> Iterator[Running]:
    """One sandbox for all: only its weather is put back."""
    yield shared
    shared.http.put("/sandbox/weather", json=FAIR).raise_for_status()


def test_text_crosses_when_a_handset_texts_its_number(sandbox: Running) -> None:
    _, to_rider, to_driver = sandbox.open()

    sent = sandbox.text(RIDER, to_rider, "here 🚪")
    shown = until(lambda: sandbox.handset(DRIVER), lambda lines: ("in", to_driver, "here 🚪") in lines)

    assert sent["id"].startswith("SM")
    assert shown[-1] == ("in", to_driver, "here 🚪")
    assert ("out", to_rider, "here 🚪") in sandbox.handset(RIDER)


def test_ledger_lists_what_is_newer_when_asked_since_an_entry(sandbox: Running) -> None:
    _, number, _ = sandbox.open()
    before = len(sandbox.http.get("/sandbox/ledger").json())
    sandbox.text(RIDER, number, "one more")

    newer = until(lambda: sandbox.http.get(f"/sandbox/ledger?since={before}").json(), bool)

    assert [(entry["to"], entry["text"]) for entry in newer] == [(DRIVER, "one more")]


def test_weather_is_the_carriers_when_it_is_changed(sandbox: Running) -> None:
    changed = sandbox.http.put("/sandbox/weather", json={"latency_ms": 5})
    refused = sandbox.http.put("/sandbox/weather", json={"latency": 5})

    assert (changed.status_code, sandbox.http.get("/sandbox/weather").json()["latency_ms"]) == (200, 5)
    assert (refused.status_code, refused.json()["field"]) == (422, "latency")


def test_sealed_row_stays_until_the_answer_when_the_carrier_is_slow(sandbox: Running) -> None:
    session, number, _ = sandbox.open()
    sandbox.http.put("/sandbox/weather", json={"latency_ms": 600, "drop_receipts": True})

    sandbox.text(RIDER, number, "slow")
    during = until(lambda: sandbox.kept(session)["outbox"], lambda rows: bool(rows) and rows[0]["phase"] == "sending")
    after = until(lambda: sandbox.kept(session), lambda kept: kept["messages"][0]["state"] == "accepted")

    assert [(row["phase"], row["sealed_text_bytes"] > 0) for row in during] == [("sending", True)]
    assert (after["outbox"], after["messages"][0]["state"]) == ([], "accepted")


def test_text_crosses_at_once_when_the_clock_has_been_moved_by_days(sandbox: Running) -> None:
    before = sandbox.http.get("/sandbox/clock").json()

    moved = sandbox.http.put("/sandbox/clock", json={"advance": 80 * 3600}).json()
    session, number, to_driver = sandbox.open()
    began = time.monotonic()
    sandbox.text(RIDER, number, "days later")
    shown = until(lambda: sandbox.handset(DRIVER), lambda lines: ("in", to_driver, "days later") in lines)
    took = time.monotonic() - began

    assert moved["offset"] - before["offset"] == 80 * 3600
    jumped = datetime.fromisoformat(moved["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(hours=80) <= jumped < timedelta(hours=80, minutes=1)
    assert ("in", to_driver, "days later") in shown
    assert took < 3
    at = sandbox.http.get(f"/sandbox/phones/{DRIVER}").json()[-1]["at"]
    assert datetime.fromisoformat(at) >= datetime.fromisoformat(moved["now"])
    assert sandbox.kept(session)["session"]["created_at"] >= moved["now"][:19]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[]", "advance"),
        (b"{}", "advance"),
        (b'{"advance": 1, "more": 2}', "advance"),
        (b'{"advance": "1"}', "advance"),
        (b'{"advance": true}', "advance"),
        (b'{"advance": -1}', "advance"),
        (b'{"advance": NaN}', "advance"),
        (b'{"advance": 1e99}', "advance"),
    ],
)
def test_clock_stays_when_it_is_moved_wrongly(sandbox: Running, body: bytes, field: str) -> None:
    before = sandbox.http.get("/sandbox/clock").json()["offset"]

    refused = sandbox.http.put("/sandbox/clock", content=body)

    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert sandbox.http.get("/sandbox/clock").json()["offset"] == before


def test_api_answers_in_its_own_words_when_the_page_asks_it(sandbox: Running) -> None:
    same = {"participants": [{"phone": RIDER}, {"phone": RIDER}]}
    session, *_ = sandbox.open()

    refused = sandbox.http.post("/sandbox/sessions", json=same)
    closed = sandbox.http.post(f"/sandbox/sessions/{session}/close", json={})
    late = sandbox.http.post(f"/sandbox/sessions/{session}/messages", json={"to": "par_x", "text": "hello"})
    direct = sandbox.api.post("/v1/sessions", json=same)

    assert (refused.status_code, refused.json()["detail"]) == (direct.status_code, direct.json()["detail"])
    assert "different people" in refused.json()["detail"]
    assert (closed.status_code, closed.json()["session"]["status"]) == (200, "closed")
    assert late.status_code in (409, 422)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sandbox/kept/ses_unknown", 404),
        ("/sandbox/phones/not%20a%20phone", 200),
        ("/sandbox/phones/%23", 200),
        ("/sandbox/phones/%3Fsince=1", 200),
        ("/sandbox/phones/..%2fconfig", 404),
        ("/sandbox/nothing", 404),
        ("/sandbox/static/nothing.css", 404),
        ("/sandbox/static/..%2fpage.py", 404),
        ("/sandbox/sessions", 405),
    ],
)
def test_nothing_else_is_served_when_paths_are_tried(sandbox: Running, path: str, status: int) -> None:
    assert sandbox.http.get(path).status_code == status


def test_body_is_refused_when_it_is_larger_than_any_text(sandbox: Running) -> None:
    refused = sandbox.http.post("/sandbox/texts", content=b"x" * (64 * 1024 + 1))

    assert refused.status_code == 413


@pytest.mark.parametrize("path", ["/", "/sandbox", "/sandbox/clock", "/sandbox/static/phones.js", "/sandbox/kept/x"])
def test_every_route_is_guarded_when_it_is_asked(sandbox: Running, path: str) -> None:
    served = sandbox.http.get(path)
    strange_name = sandbox.http.get(path, headers={"host": "rides.example"})
    other_page = sandbox.http.get(path, headers={"origin": "https://rides.example", "sec-fetch-site": "cross-site"})

    assert served.status_code in (200, 307, 404)
    assert (strange_name.status_code, other_page.status_code) == (403, 403)
    policy = served.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert (served.headers["x-content-type-options"], served.headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_page_loads_nothing_of_others_and_runs_nothing_inline_when_it_is_read(sandbox: Running) -> None:
    page = sandbox.http.get("/sandbox").text

    assert sandbox.http.get("/").headers["location"] == "/sandbox"
    assert "http" not in page.replace("http-equiv", "")
    assert "style=" not in page
    assert " on" not in [part[:3] for part in page.split("<") if "=" in part]
    assert page.count("<script") == page.count('<script type="module" src="/sandbox/static/')
    assert sandbox.document["api_key"] not in page


def test_only_this_machine_is_listened_to_when_a_sandbox_runs(sandbox: Running) -> None:
    port = urlsplit(sandbox.url).port
    assert port is not None
    mine = socket.gethostbyname(socket.gethostname())

    assert urlsplit(sandbox.url).hostname == "127.0.0.1"
    if not mine.startswith("127."):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{mine}:{port}/healthz", trust_env=False)
