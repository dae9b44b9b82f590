"""Forms are taken from our own pages alone: the matrix of what another page could try."""

from __future__ import annotations

import pytest

from relay.web.origin import is_ours, origins_of
from tests.services.rig import Rig
from tests.web.browser import FORM, PUBLIC_URL, Browser, audit_key, browser, form_token, sealed

SESSION = "__Host-relay-console"
FOREIGN = "https://evil.example"


PAGES = {
    "/console/login": "/console/login",
    "/console/logout": "/console/audit",
    "/console/audit/exports": "/console/audit",
}  # where a form goes, and where it stands


async def wrong_tokens(somebody: Browser, rig: Rig, path: str) -> dict[str, str]:
    """Every token that somebody may have but the one of this form, by where it comes from."""
    right, other_form = await somebody.token(PAGES[path]), next(page for page in PAGES.values() if page != PAGES[path])
    async with browser(rig) as other:
        await other.log_in(await audit_key(rig))
        others = {"another session's": await other.token("/console/audit"), "another visitor's": await other.token()}
    return {
        **others,
        "none": "",
        "wrong": "x" * 40,
        "cut": right[:-1],
        "another form's": await somebody.token(other_form),
    }


ORIGINS = {
    "ours": ({}, True),
    "ours, told by the browser": ({"sec_fetch_site": "same-origin"}, True),
    "hidden, but ours": ({"origin": "null", "sec_fetch_site": "same-origin"}, True),
    "hidden": ({"origin": "null"}, False),
    "none": ({"origin": ""}, False),
    "none, told by the browser": ({"origin": "", "sec_fetch_site": "same-origin"}, False),
    "foreign": ({"origin": FOREIGN}, False),
    "foreign, as if ours": ({"origin": FOREIGN, "sec_fetch_site": "same-origin"}, False),
    "a neighbour": ({"origin": "https://relay.example.com.evil.example"}, False),
    "ours without s": ({"origin": "http://relay.example.com"}, False),
    "ours at another port": ({"origin": "https://relay.example.com:8443"}, False),
    "ours, but from another site": ({"sec_fetch_site": "cross-site"}, False),
    "a brother's": ({"origin": "null", "sec_fetch_site": "same-site"}, False),
}


@pytest.mark.parametrize("path", PAGES)
async def test_a_form_is_taken_from_our_page_alone_when_every_forgery_is_tried(
    somebody: Browser, rig: Rig, path: str
) -> None:
    key = await audit_key(rig)
    await somebody.log_in(key)
    await sealed(rig)
    wrong, taken = await wrong_tokens(somebody, rig, path), set()
    for whose in ("right", *wrong):
        for origin, (headers, _) in ORIGINS.items():
            token = wrong[whose] if whose in wrong else await somebody.token(PAGES[path])
            before = somebody.cookies[SESSION]
            answer = await somebody.post(path, {"form_token": token, "secret": key}, **headers)
            if answer.is_redirect:
                taken.add((whose, origin))
                await somebody.log_in(key)
            else:
                assert (answer.status_code, somebody.cookies[SESSION]) == (403, before), (whose, origin)

    exported = await rig.value("select count(*) from audit_export")
    assert taken == {("right", origin) for origin, (_, is_right) in ORIGINS.items() if is_right}
    assert exported == (len(taken) if path == "/console/audit/exports" else 0)


async def test_nothing_changes_when_a_form_is_sent_as_a_get(somebody: Browser, rig: Rig) -> None:
    key = await audit_key(rig)
    token = await somebody.token()
    login = await somebody.http.get("/console/login", params={"form_token": token, "secret": key})
    was_in = await somebody.is_in()
    await somebody.log_in(key)
    token = await somebody.token("/console/audit")
    logout = await somebody.get(f"/console/logout?form_token={token}")
    export = await somebody.get(f"/console/audit/exports?form_token={token}")

    assert (login.status_code, was_in) == (200, False)
    assert (logout.status_code, await somebody.is_in()) == (405, True)
    assert export.status_code == 405


async def test_a_login_form_is_refused_when_the_visitors_cookie_is_missing(somebody: Browser, rig: Rig) -> None:
    token = await somebody.token()
    somebody.http.cookies.clear()
    answer = await somebody.post("/console/login", {"form_token": token, "secret": await audit_key(rig)})

    assert answer.status_code == 403
    assert SESSION not in somebody.cookies


async def test_a_session_stands_when_another_page_links_to_the_login(somebody: Browser, rig: Rig) -> None:
    """SameSite=Strict hides the session's cookie from that request, so the answer must not put another in its place."""
    await somebody.log_in(await audit_key(rig))
    kept = somebody.cookies[SESSION]
    async with browser(rig) as without_cookies:
        answer = await without_cookies.get("/console/audit", sec_fetch_site="cross-site")
        login = await without_cookies.get("/console/login", sec_fetch_site="cross-site")

    assert answer.headers["location"] == "/console/login"
    assert not any(SESSION in written for written in login.headers.get_list("set-cookie"))
    assert (somebody.cookies[SESSION], await somebody.is_in()) == (kept, True)


async def test_a_new_session_has_new_forms_when_the_same_browser_logs_in_again(somebody: Browser, rig: Rig) -> None:
    key = await audit_key(rig)
    await somebody.log_in(key)
    old = await somebody.token("/console/audit")
    await somebody.log_in(key)
    answer = await somebody.post("/console/logout", {"form_token": old})

    assert answer.status_code == 403
    assert await somebody.is_in()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"secret": "x"}', "application/json"),
        (b"form_token=x&secret=y", "text/plain"),
        (b"form_token=x&secret=y", "multipart/form-data"),
        (b"", FORM),
        (b"form_token", FORM),
        (b"=", FORM),
        (b"&".join([b"a=b"] * 9), FORM),
        (b"secret=" + b"x" * 5000, FORM),
        (b"secret=\xff\xfe\x00", FORM),
        (b"form_token=%ff%fe%00&secret=%00", FORM),
        (b"form_token=%F0%9F%94%91", FORM),
    ],
)
async def test_a_body_is_refused_when_it_is_no_form_of_ours(somebody: Browser, body: bytes, kind: str) -> None:
    await somebody.get("/console/login")
    answer = await somebody.http.post(
        "/console/login", content=body, headers={"content-type": kind, "origin": PUBLIC_URL}
    )

    assert answer.status_code in {400, 403}
    assert SESSION not in somebody.cookies


async def test_what_was_typed_is_not_shown_again_when_it_was_refused(somebody: Browser) -> None:
    answer = await somebody.log_in('rk_"><script>alert(1)</script>')

    assert "alert(1)" not in answer.text
    assert form_token(answer.text)


@pytest.mark.parametrize(
    ("public_url", "origin", "ours"),
    [
        ("https://relay.example.com", "https://RELAY.example.com", True),
        ("https://relay.example.com:8443/under", "https://relay.example.com:8443", True),
        ("https://relay.example.com/under", "https://relay.example.com/under", False),
        ("http://127.0.0.1:8000", "http://localhost:8000", True),
        ("http://localhost:8000", "http://127.0.0.1:8000", True),
        ("http://[::1]:8000", "http://[::1]:8000", True),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1.evil.example:8000", False),
    ],
)
def test_an_origin_is_ours_when_it_is_the_public_address(public_url: str, origin: str, ours: bool) -> None:
    assert is_ours({"origin": origin}, origins_of(public_url)) is ours
