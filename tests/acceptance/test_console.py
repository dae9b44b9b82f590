"""The auditor's page in a real browser, with ten thousand entries: at two widths, by keyboard, and by a link that is good once.

Pictures go to the folder that RELAY_TEST_PICTURES names, else to the test's own.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from relay.core.ids import make_id
from relay.core.notes import parse_key
from relay.evidence.verifying import Wanted, verify_pack
from relay.vault import witness_key
from relay.vault.log_keys import verify
from tests.cli.command import Command
from tests.sandbox.sandbox_process import Running, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.long]

ENTRIES = 10_000
WIDTHS = {"laptop": (1280, 800), "phone": (390, 844)}
_SEALED_WITHIN = 120.0  # seconds
_KINDS = (
    *(("message.received", None), ("message.accepted", None), ("message.delivered", None)) * 6,
    *(("session.opened", None), ("session.closed", "expired"), ("session.closed", "api")) * 2,
    ("message.refused", "opted_out"),
    ("message.refused", "late"),
    ("participant.opted_out", None),
    ("verification.approved", None),
    ("message.parked", "ambiguous"),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    """A sandbox whose log has ten thousand entries of thirty days."""
    with running("--ephemeral") as started:
        with ThreadPoolExecutor(1) as aside:  # the browser's driver has a loop in this thread
            aside.submit(lambda: asyncio.run(_fill(str(started.document["database_url"])))).result()
        yield started


async def _fill(dsn: str) -> None:
    """Events as if much had happened; the sandbox's own worker seals them."""
    connection = await asyncpg.connect(dsn)
    try:
        (account,) = await connection.fetch("select id, bucket from account")
        await connection.copy_records_to_table(
            "event",
            records=_events(account["id"], account["bucket"]),
            columns=["bucket", "id", "account_id", "type", "session_id", "reason", "at"],
        )
        began = time.monotonic()
        while await connection.fetchval("select count(*) from audit_entry") < ENTRIES:
            assert time.monotonic() - began < _SEALED_WITHIN
            await asyncio.sleep(0.3)
    finally:
        await connection.close()


def _events(account: object, bucket: int) -> list[tuple[object, ...]]:
    """Ids are of now, as if all had been committed late: so the sealer finds them at once."""
    now, made = datetime.now(UTC), list[tuple[object, ...]]()
    for n in range(ENTRIES):
        kind, reason = _KINDS[n * n % len(_KINDS)]
        days = 29.9 * (1 - n / ENTRIES) ** (1 + (n % 7) / 10)
        at = now - timedelta(days=days)
        session = make_id(bucket, at, (n // 12).to_bytes(10, "big"))
        made.append((bucket, make_id(bucket, now, secrets.token_bytes(10)), account, kind, session, reason, at))
    return made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh browser profile. Whatever the browser complains about fails the test."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    opened = context.new_page()
    opened.set_default_timeout(8000)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    yield opened
    context.close()
    assert [said for said in complaints if "status of 4" not in said] == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("RELAY_TEST_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def log_in(page: Page, sandbox: Running) -> None:
    page.goto(f"{sandbox.url}/console")
    page.fill("#secret", sandbox.document["audit_key"])
    page.press("#secret", "Enter")
    page.wait_for_url("**/console/audit")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_when_the_page_has_ten_thousand_entries(
    page: Page, sandbox: Running, pictures: Path, width: str, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": WIDTHS[width][0], "height": WIDTHS[width][1]})
    page.goto(f"{sandbox.url}/console/login")
    page.screenshot(path=pictures / f"login-{width}-{scheme}.png", animations="disabled")
    login_is_wide = page.evaluate("document.documentElement.scrollWidth")
    log_in(page, sandbox)
    page.screenshot(path=pictures / f"audit-{width}-{scheme}.png", animations="disabled")
    page.screenshot(path=pictures / f"audit-{width}-{scheme}-whole.png", animations="disabled", full_page=True)

    assert max(login_is_wide, page.evaluate("document.documentElement.scrollWidth")) <= WIDTHS[width][0]
    assert re.search(r"Verified to entry \d{4,}", page.inner_text(".band"))
    assert page.locator("table.entries tbody tr").count() == 50
    assert page.locator(".chart rect").count() > 60


_UNNAMED = """() => {
  const said = (ids) => (ids ?? "").split(" ").some((id) => document.getElementById(id)?.textContent.trim());
  const isNamed = (e) => {
    if (e.getAttribute("aria-label")?.trim() || said(e.getAttribute("aria-labelledby"))) return true;
    if (e.matches("input")) return e.labels.length > 0;
    if (e.matches("button, a, summary")) return e.textContent.trim() !== "";
    if (e.matches("img")) return e.getAttribute("alt") !== null;
    if (e.matches("table")) return e.caption !== null || e.closest("[role=region]") !== null;
    return e.matches("form, section.door");
  };
  const every = document.querySelectorAll("input:not([type=hidden]), button, a, summary, img, svg, table, section, nav, form");
  return [...every].filter((e) => !e.closest("[aria-hidden=true]") && !isNamed(e)).map((e) => e.outerHTML.slice(0, 120));
}"""

#: Words that stand out from what is behind them by less than 4.5 to 1 (WCAG 2.2, 1.4.3).
_FAINT = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (e) => {
    const colour = e ? parse(getComputedStyle(e).backgroundColor) : [255, 255, 255];
    return colour[3] === 0 ? behind(e.parentElement) : colour;
  };
  const contrast = (e) => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const hasWords = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const every = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && hasWords(e));
  return every.filter((e) => contrast(e) < 4.5).map((e) => `${contrast(e)} ${e.outerHTML.slice(0, 100)}`);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_enough_contrast_when_it_is_read(page: Page, sandbox: Running, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{sandbox.url}/console/login")
    found: list[Any] = [page.evaluate(_UNNAMED), page.evaluate(_FAINT)]
    log_in(page, sandbox)
    page.goto(f"{sandbox.url}/console/audit?since=never&reason=late")
    page.click("summary")
    found += [page.evaluate(_UNNAMED), page.evaluate(_FAINT)]
    headings = [
        int(name[1]) for name in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(e => e.tagName)")
    ]

    assert found == [[], [], [], []]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert page.get_attribute("#since", "aria-describedby") == "wrong-since"
    assert "must be a day" in page.inner_text("#wrong-since")
    assert page.locator("main, header, html[lang=en]").count() == 3


def test_the_page_is_used_without_a_mouse_when_somebody_has_none(page: Page, sandbox: Running) -> None:
    log_in(page, sandbox)
    page.keyboard.press("Tab")
    skip = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", reached
    page.focus("#event")
    page.keyboard.type("session.closed")
    page.keyboard.press("Escape")
    page.focus("#reason")
    page.keyboard.type("api")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/audit?*event=session.closed*")
    events = set(page.locator("table.entries .event").all_inner_texts())

    assert skip == "Skip to the content"
    assert reached[:5] == ["The same as a table", "event", "reason", "session", "since"]
    assert events == {"session.closed"}


def test_pages_and_sessions_are_followed_when_links_are_clicked(page: Page, sandbox: Running) -> None:
    def numbers() -> list[int]:
        return [int(text) for text in page.locator("table.entries tbody th").all_inner_texts()]

    log_in(page, sandbox)
    first = numbers()
    page.click("text=Older")
    page.wait_for_url("**before=*")
    second = numbers()
    page.click("table.entries .ref >> nth=0")
    page.wait_for_url("**session=*")
    sessions = set(page.locator("table.entries .ref").all_inner_texts())

    assert first == list(range(first[0], first[0] - 50, -1))
    assert second == list(range(first[-1] - 1, first[-1] - 51, -1))
    assert len(sessions) == 1


def test_a_pack_is_downloaded_and_holds_when_the_button_is_pressed(
    page: Page, sandbox: Running, pictures: Path, tmp_path: Path
) -> None:
    log_in(page, sandbox)
    page.fill("#export-since", f"{datetime.now(UTC):%Y-%m-%d}")
    page.press("#export-since", "Enter")
    page.wait_for_url("**/console/audit/exports/req_*")
    said, flaws = page.inner_text("main"), list[Any]()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        flaws += page.evaluate(_UNNAMED) + page.evaluate(_FAINT)
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=pictures / "export-phone.png", animations="disabled")
    with page.expect_download() as downloading:
        page.click("text=Download")
    downloading.value.save_as(tmp_path / "pack.zip")
    bearer = {"authorization": f"Bearer {sandbox.document['audit_key']}"}
    (key,) = httpx.get(f"{sandbox.url}/v1/audit/keys", headers=bearer, trust_env=False).json()["data"]
    report = verify_pack(tmp_path / "pack.zip", Wanted([parse_key(key["key"])], verify, timedelta(days=31)))

    assert flaws == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert downloading.value.suggested_filename == f"{page.url.split('/')[-1]}.zip"
    assert re.search(r"[\d\u2009]+ entries of the log", said)
    assert (report.holds, report.entries) == (True, int(re.sub(r"\D", "", said.split(" entries")[0])))


def test_a_witness_that_runs_elsewhere_is_named_on_the_page(
    page: Page, sandbox: Running, pictures: Path, tmp_path: Path
) -> None:
    """The command that an auditor has, over HTTP; what it has signed is in a pack that is asked for afterwards."""
    name = "auditor.of-a-company-with-a-rather-long-name.example/relay/witness-of-the-log"
    watching, api_key, state = witness_key.make(tmp_path / "key", name).key, tmp_path / "api-key", tmp_path / "state"
    api_key.write_text(sandbox.document["audit_key"])
    (key,) = sandbox.api.get("/v1/audit/keys").json()["data"]
    sandbox.api.post("/v1/audit/witnesses", json={"key": watching.written()}).raise_for_status()
    log, trusted = f"{sandbox.url}/v1/audit", ("--key", key["key"], "--api-key", str(api_key))
    done = Command({})("audit", "witness", log, *trusted, "--state", str(state), "--sign", str(tmp_path / "key"))
    log_in(page, sandbox)
    band = page.inner_text(".band")
    page.screenshot(path=pictures / "witnessed-laptop.png", animations="disabled")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=pictures / "witnessed-phone.png", animations="disabled")
    offer = sandbox.api.post("/v1/audit/exports", json={"since": f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"}).json()
    (tmp_path / "pack.zip").write_bytes(httpx.get(offer["download"]["url"], trust_env=False, timeout=60).content)
    wanted = Wanted([parse_key(key["key"])], verify, timedelta(days=31), [watching])

    checked = Command({})("audit", "verify", log, *trusted, "--witness", watching.written())

    assert (checked.code, "ok    witness: " in checked.stdout) == (0, True), checked
    assert done.stdout.endswith("handed in: the log shows that it was witnessed\n"), done
    assert re.search(rf"witnessed by {re.escape(name)} to entry \d+, less than a minute ago", band), band
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert verify_pack(tmp_path / "pack.zip", wanted).holds


def test_a_link_lets_in_once_and_leaves_no_trace_in_the_address_when_it_is_opened(
    page: Page, sandbox: Running, pictures: Path
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.url} {request.headers}"))
    token = "rl_" + "a" * 26 + "_not-one-of-ours"
    page.goto(f"{sandbox.url}/console/login#{token}")
    shown, address = page.input_value("#secret"), page.url
    page.click("form button")
    page.wait_for_selector("[role=alert]")
    page.screenshot(path=pictures / "login-refused.png", animations="disabled")

    assert (shown, address) == (token, f"{sandbox.url}/console/login")
    assert page.evaluate("history.length") <= 3
    assert not any(token in request for request in asked)


def test_somebody_is_out_when_they_log_out(page: Page, sandbox: Running) -> None:
    log_in(page, sandbox)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    page.click("text=Log out")
    page.wait_for_url("**/console/login")
    page.goto(f"{sandbox.url}/console/audit")

    assert page.url.endswith("/console/login")
    assert (cookies["relay-console"]["httpOnly"], cookies["relay-console"]["sameSite"]) == (True, "Strict")
