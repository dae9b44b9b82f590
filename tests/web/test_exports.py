"""The export button: what it makes, what its page says, and whose it is."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from relay.core.exporting import Period
from relay.core.model import Scope
from relay.web.exports import read_days
from relay.web.sealed_log import SealedLog
from tests.api.rig import Log
from tests.services.rig import Rig
from tests.web.browser import PUBLIC_URL, Browser, audit_key, browser, sealed

EXPORTS = "/console/audit/exports"
FORM = f'action="{EXPORTS}"'


@pytest.fixture
async def somebody(rig: Rig) -> AsyncIterator[Browser]:
    """An auditor who is in, at a log that has entries."""
    async with browser(rig, SealedLog(rig.relay.audit_page)) as fresh:
        await fresh.log_in(await audit_key(rig))
        await sealed(rig)
        yield fresh


async def export(somebody: Browser, **days: str) -> httpx.Response:
    """What the button does, with these days in its form."""
    fields = {"form_token": await somebody.token("/console/audit"), "since": "", "until": ""} | days
    return await somebody.post(EXPORTS, fields)


async def page_of(somebody: Browser, **days: str) -> str:
    """Where one goes on after an export."""
    answer = await export(somebody, **days)
    assert answer.status_code == 303, answer.text
    page = await somebody.get(answer.headers["location"])
    assert page.status_code == 200
    return page.text


async def fetch(rig: Rig, page: str) -> zipfile.ZipFile:
    """The pack, fetched from the page's link by whoever has nothing else."""
    found = re.search(r'class="go" href="([^"]+)"', page)
    assert found, page
    address = html.unescape(found[1])
    assert address.startswith(f"{PUBLIC_URL}/v1/audit/downloads/")
    async with browser(rig) as nobody:
        answer = await nobody.get(urlsplit(address).path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    return zipfile.ZipFile(io.BytesIO(answer.content))


def events(pack: zipfile.ZipFile) -> list[str]:
    return [json.loads(json.loads(line)["record"])["event"] for line in pack.read("entries.jsonl").splitlines()]


async def test_a_pack_is_fetched_by_the_link_that_is_shown_when_the_button_is_pressed(
    somebody: Browser, rig: Rig
) -> None:
    assert FORM in (await somebody.get("/console/audit")).text
    await sealed(rig)
    size = await rig.value("select size from audit_tree")
    page = await page_of(somebody)
    until = await rig.value("select asked_at from audit_export")
    assert isinstance(until, datetime)

    assert len(events(await fetch(rig, page))) == size
    assert f"<p>{size} entries of the log of {rig.account.name}" in page
    assert f"{until + timedelta(days=7):%H:%M:%S} UTC" in page
    assert re.search(r"relay audit verify req_[a-z2-7]+\.zip <span>--key KEY", page)


async def test_that_somebody_exported_is_an_event_when_the_button_is_pressed(somebody: Browser, rig: Rig) -> None:
    page = await page_of(somebody)
    (asked,) = await rig.rows("select asked_by, first_n from audit_export")
    session = await rig.value("select id from api_key where name = 'console'")

    assert await rig.value("select count(*) from event where type = 'audit.exported'") == 1
    assert (asked["asked_by"], asked["first_n"]) == (session, 0)
    assert page.count("NOT VERIFIED") == 1


async def test_days_are_whole_when_an_export_is_of_some(somebody: Browser, rig: Rig) -> None:
    today = (await rig.relay.database.now()).date()
    yesterday = str(today - timedelta(days=1))
    of_today = await page_of(somebody, since=str(today), until=str(today))
    of_yesterday = await page_of(somebody, since=yesterday, until=yesterday)

    assert "key.created" in events(await fetch(rig, of_today))
    assert "is of these days" in of_yesterday
    assert events(await fetch(rig, of_yesterday)) == []


@pytest.mark.parametrize(
    ("fields", "period", "wrong"),
    [
        ({}, Period(), set()),
        ({"since": " ", "until": "", "event": "Everything"}, Period(), set()),
        (
            {"since": "2026-11-01", "until": "2026-11-01"},
            Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)),
            set(),
        ),
        ({"until": "9998-12-31"}, Period(None, datetime(9999, 1, 1, tzinfo=UTC)), set()),
        ({"until": "9999-12-31"}, Period(), {"until"}),
        ({"since": "1970-01-01"}, Period(datetime(1970, 1, 1, tzinfo=UTC)), set()),
        ({"since": "1969-12-31"}, Period(), {"since"}),
        ({"since": "2026-11-02", "until": "2026-11-01"}, Period(datetime(2026, 11, 2, tzinfo=UTC)), {"until"}),
        ({"since": "yesterday", "until": "2026-02-30"}, Period(), {"since", "until"}),
    ],
)
def test_days_are_read_or_named_as_wrong(fields: dict[str, str], period: Period, wrong: set[str]) -> None:
    read, problems = read_days(fields)

    assert (read, set(problems)) == (period, wrong)


async def test_what_is_wrong_stands_beside_its_field_when_a_day_is_none(somebody: Browser, rig: Rig) -> None:
    day = str(date(2026, 11, 2))
    answer = await export(somebody, since=day, until='"><script>alert(1)</script>')
    fields = {"form_token": re.findall(r'name="form_token" value="([^"]+)"', answer.text)[0], "since": day}
    again = await somebody.post(EXPORTS, fields)

    assert answer.status_code == 422
    assert 'aria-describedby="wrong-export-until"' in answer.text
    assert f'value="{day}"' in answer.text
    assert "<script>alert" not in answer.text
    assert again.status_code == 303
    assert await rig.value("select count(*) from audit_export") == 1


async def test_an_empty_log_says_so_when_it_is_to_be_exported(rig: Rig) -> None:
    async with browser(rig, SealedLog(rig.relay.audit_page)) as early:
        await early.log_in(await audit_key(rig))
        page = (await early.get("/console/audit")).text
        answer = await export(early)

    assert "Nothing to export yet" in page
    assert FORM not in page
    assert answer.status_code == 409
    assert "Nothing to export yet" in answer.text
    assert await rig.value("select count(*) from event where type = 'audit.exported'") == 0


async def test_there_is_no_export_when_the_id_is_unknown_or_anothers_or_too_old(somebody: Browser, rig: Rig) -> None:
    mine = (await export(somebody)).headers["location"]
    theirs = await rig.relay.accounts.add("another market")
    async with browser(rig) as other:
        await other.log_in(await rig.relay.keys.add(theirs, name="auditor", scopes=(Scope.AUDIT,)))
        seen = [(await other.get(path)).status_code for path in (mine, "/console/audit")]
    paths = (f"{EXPORTS}/req_{'a' * 26}", f"{EXPORTS}/x", f"{EXPORTS}/%00", mine)
    statuses = [(await somebody.get(path)).status_code for path in paths]
    rig.later(days=8)
    await somebody.log_in(await audit_key(rig))
    late = await somebody.get(mine)

    assert (seen, statuses, late.status_code) == ([404, 200], [404, 404, 404, 200], 404)
    assert "downloads" not in late.text


async def test_the_link_is_shown_to_nobody_who_is_out(somebody: Browser, rig: Rig) -> None:
    mine = (await export(somebody)).headers["location"]
    await somebody.log_out()
    answer = await somebody.get(mine)

    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")


async def test_no_link_is_in_a_log_line_when_an_export_is_shown(somebody: Browser, log: Log) -> None:
    page = await page_of(somebody)
    (token,) = re.findall(r"/v1/audit/downloads/([^\"]+)", page)

    assert any(line.get("route") == "/console/audit/exports/{id}" for line in log.lines())
    assert token not in log.text
