"""Who may ask the sandbox: programs and its own page, under this machine's names."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from relay.sandbox.guard import refusal

HOST = {"host": "127.0.0.1:8000"}
NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PUT", HOST),
        ("PUT", {"host": "localhost"}),
        ("PUT", {"host": "LOCALHOST:1"}),
        ("PUT", {"host": "[::1]:8000"}),
        ("PUT", HOST | {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}),
        ("GET", HOST | {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}),
        ("GET", HOST | NAVIGATION),
    ],
)
def test_request_is_served_when_it_comes_from_a_program_or_our_page(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, Headers(headers)) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "rides.example",
        "rides.example:8000",
        "127.0.0.1.rides.example",
        "localhost.rides.example",
        "127.0.0.2",
        "127.0.0.1:8000:1",
        "127.0.0.1:",
        "[::2]",
        "0.0.0.0",
        "localhost\n",
    ],
)
def test_request_is_refused_when_the_name_is_not_this_machines(host: str) -> None:
    assert refusal("GET", Headers({"host": host})) is not None


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PUT", {"origin": "https://rides.example"}),
        ("PUT", {"origin": "http://localhost:8000"}),
        ("PUT", {"origin": "http://127.0.0.1:3000"}),
        ("PUT", {"origin": "https://127.0.0.1:8000"}),
        ("PUT", {"origin": "null"}),
        ("PUT", {"origin": ""}),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}),
        ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}),
        ("POST", NAVIGATION),
        ("POST", NAVIGATION | {"origin": "http://127.0.0.1:8000"}),
        ("GET", NAVIGATION | {"origin": "https://rides.example"}),
    ],
)
def test_request_is_refused_when_another_web_page_sends_it(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, Headers(HOST | headers)) is not None
