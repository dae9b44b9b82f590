"""What every answer of the console carries, whichever page and whatever comes of it."""

from __future__ import annotations

import itertools
import re

import pytest

from relay.web.console import pages_of
from relay.web.pages import static_files
from tests.services.rig import Rig
from tests.web.browser import Browser, audit_key, sealed

PATHS = sorted({page.path for page in pages_of(None, None)})
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def test_the_table_has_its_pages_when_the_rest_is_checked() -> None:
    """An empty table would keep every rule."""
    assert {"/console", "/console/login", "/console/logout", "/console/audit", "/console/audit/exports"} <= set(PATHS)
    assert any(path.endswith(".css") for path in PATHS)


@pytest.mark.parametrize("is_in", [False, True], ids=["out", "in"])
async def test_every_answer_is_guarded_when_any_page_is_asked_in_any_way(
    somebody: Browser, rig: Rig, is_in: bool
) -> None:
    if is_in:
        await somebody.log_in(await audit_key(rig))
    for method, path in itertools.product(METHODS, PATHS):
        headers = (await somebody.http.request(method, path)).headers
        directives = (part.partition(" ") for part in headers["content-security-policy"].split("; "))

        assert {name: source for name, _, source in directives} == POLICY, (method, path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


async def test_a_page_asks_for_a_login_when_nobody_is_in(somebody: Browser) -> None:
    for page in (page for page in pages_of(None, None) if not page.is_open):
        answer = await (somebody.post(page.path, {}) if page.method == "POST" else somebody.get(page.path))

        assert (answer.status_code, answer.headers["location"]) == (303, "/console/login"), page


def test_these_pages_alone_are_open_when_the_table_is_read() -> None:
    is_open = {
        (page.method, page.path) for page in pages_of(None, None) if page.is_open and "/static/" not in page.path
    }

    assert is_open == {
        *(("GET", "/console"), ("GET", "/console/login"), ("POST", "/console/login"), ("GET", "/console/{rest:path}"))
    }


async def test_a_page_says_so_when_the_console_has_none_at_an_address(somebody: Browser) -> None:
    answer = await somebody.get("/console/nowhere/at-all")

    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "The console has no page at this address." in answer.text


async def export_pages(somebody: Browser, rig: Rig) -> list[str]:
    """The form when it was filled in wrongly, and what an export shows, without the one link that leaves the console."""
    await sealed(rig)
    fields = {"form_token": await somebody.token("/console/audit")}
    wrong = await somebody.post("/console/audit/exports", fields | {"since": "x"})
    made = await somebody.post("/console/audit/exports", fields)
    shown = (await somebody.get(made.headers["location"])).text
    page, links = re.subn(r'href="https://relay\.example\.com/v1/audit/downloads/[^"]+"', "", shown)

    assert (wrong.status_code, links) == (422, 1)
    return [wrong.text, page]


async def test_nothing_is_loaded_from_elsewhere_and_nothing_stands_inline_when_pages_are_read(
    somebody: Browser, rig: Rig
) -> None:
    pages = [(await somebody.get("/console/login")).text]
    await somebody.log_in(await audit_key(rig))
    pages += [(await somebody.get(path)).text for path in ("/console/audit", "/console/audit?since=x")]
    pages += [(await somebody.post("/console/logout", {"form_token": "x"})).text]
    pages += await export_pages(somebody, rig)
    files = [body.decode() for body, _ in static_files().values()]

    for page in pages:
        assert not re.search(r"<style|style=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", page)
        assert set(re.findall(r'(?:src|href|action)="([^"#]*)', page)) <= {"", *PATHS}
    for text in files:
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text)


async def test_a_method_is_refused_by_name_when_a_page_does_not_take_it(somebody: Browser) -> None:
    answer = await somebody.http.request("PUT", "/console/login")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
