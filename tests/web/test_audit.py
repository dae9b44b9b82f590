"""The auditor's page: what it says of the log, of what is kept, and what it makes of filters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from relay.core.data_class import DataClass
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.storage.configuration import Account
from relay.web.audit import band
from relay.web.filters import charted_days, query_of, read_wanted
from relay.web.log import DayCount, Entry, Found, Head, Wanted, Witnessed
from relay.web.sealed_log import SealedLog
from tests.services.people import ALICE
from tests.services.rig import Rig, Talk, start_talk
from tests.web.browser import Browser, audit_key, browser, sealed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SESSION = "926a85b55cefe3efae81b8c0e12b4d2d"


@dataclass(slots=True)
class Kept:
    """A log that is only values, and remembers what it was asked."""

    head: Head | None = field(default_factory=lambda: Head(3, NOW, is_proved=True))
    entries: Sequence[Entry] = ()
    has_older: bool = False
    asked: list[Wanted] = field(default_factory=list)

    async def read(self, account: Account, key_id: UUID, wanted: Wanted, *, limit: int) -> Found:
        self.asked.append(wanted)
        return Found(self.head, self.entries, self.has_older)

    async def counts(self, account: Account, since: date, until: date) -> Sequence[DayCount]:
        return [DayCount(until, "session.opened", 2)]


async def page_of(rig: Rig, log: Kept | SealedLog | None, query: str = "") -> str:
    async with browser(rig, log) as somebody:
        await somebody.log_in(await audit_key(rig))
        answer = await somebody.get(f"/console/audit{query}")
        assert answer.status_code == 200
        return answer.text


@pytest.mark.parametrize(
    ("head", "is_well", "words"),
    [
        (None, True, "Nothing has been sealed yet"),
        (Head(1, NOW, is_proved=True), True, "Verified to entry 0"),
        (Head(8, NOW - timedelta(minutes=4), is_proved=True), True, "checkpoint signed 4 minutes ago"),
        (Head(8, NOW, is_proved=True), True, "no witness has cosigned it"),
        (
            Head(8, NOW, True, [Witnessed("w.example", 7, NOW - timedelta(hours=2))]),
            True,
            "w.example to entry 6, 2 hours",
        ),
        (
            Head(8, NOW, True, [Witnessed("a.example", 8, NOW), Witnessed("w.example", 7, NOW, stands=False)]),
            False,
            "Not verified: what is kept does not fit the head that w.example has cosigned to entry 6.",
        ),
        (Head(8, NOW, is_proved=False), False, "Not verified"),
    ],
)
def test_the_band_says_how_far_the_log_is_proved(head: Head | None, is_well: bool, words: str) -> None:
    shown = band(head, NOW)

    assert shown.is_well is is_well
    assert words in " ".join([shown.words, *shown.details])


@pytest.mark.parametrize(
    ("query", "wanted", "wrong"),
    [
        ({}, Wanted(), set()),
        ({"event": "", "since": " "}, Wanted(), set()),
        ({"event": "message.refused", "reason": "opted_out"}, Wanted("message.refused", "opted_out"), set()),
        ({"session": SESSION, "before": "12"}, Wanted(session=SESSION, before=12), set()),
        (
            {"since": "2026-11-01", "until": "2026-11-01"},
            Wanted(since=date(2026, 11, 1), until=date(2026, 11, 1)),
            set(),
        ),
        ({"since": "2026-11-02", "until": "2026-11-01"}, Wanted(since=date(2026, 11, 2)), {"until"}),
        ({"since": "2026-02-30", "until": "yesterday"}, Wanted(), {"since", "until"}),
        ({"since": "20261101", "until": "٢٠٢٦-١١-٠١"}, Wanted(), {"since", "until"}),
        ({"event": "Everything", "reason": "late; drop table"}, Wanted(), {"event", "reason"}),
        ({"session": "+12025550177", "before": "-1"}, Wanted(), {"session"}),
        ({"before": "9" * 40, "unknown": "x"}, Wanted(), set()),
        ({"since": "1969-12-31", "until": "9999-12-31"}, Wanted(), {"since", "until"}),
    ],
)
def test_filters_are_read_or_named_as_wrong(query: dict[str, str], wanted: Wanted, wrong: set[str]) -> None:
    read, problems = read_wanted(query)

    assert (read, set(problems)) == (wanted, wrong)
    assert read_wanted(dict(part.split("=") for part in query_of(read, read.before).split("&") if part)) == (wanted, {})


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [(None, None, 30), (0, 0, 1), (9, 0, 10), (400, 0, 92), (None, -5, 30), (-9, None, 1), (5, 400, 92)],
)
def test_the_chart_has_the_days_that_were_asked_for_when_they_are_not_too_many(
    since: int | None, until: int | None, days: int
) -> None:
    """``since`` and ``until``: days before today."""
    today = NOW.date()
    first, last = None if since is None else since, None if until is None else until
    wanted = Wanted(
        since=None if first is None else today - timedelta(days=first),
        until=None if last is None else today - timedelta(days=last),
    )
    if wanted.since and wanted.until and wanted.since > wanted.until:
        wanted = replace(wanted, since=wanted.until - timedelta(days=200))
    shown = charted_days(wanted, today)

    assert (shown[1] - shown[0]).days + 1 == days
    assert shown[1] <= today


async def test_what_is_wrong_stands_beside_its_field_when_a_filter_is_none(rig: Rig) -> None:
    log = Kept()
    async with browser(rig, log) as somebody:
        await somebody.log_in(await audit_key(rig))
        answer = await somebody.get('/console/audit?since="><script>alert(1)</script>&reason=late')

    assert answer.status_code == 422
    assert 'aria-describedby="wrong-since"' in answer.text
    assert "<script>alert" not in answer.text
    assert log.asked == [Wanted(reason="late")]


async def test_the_page_says_so_when_there_is_no_log(rig: Rig) -> None:
    page = await page_of(rig, None)

    assert "keeps no audit log yet" in page
    assert "What we can hand over" in page
    assert "Over time" not in page.split("<main")[1]


async def test_the_page_warns_when_what_is_kept_does_not_fit_what_was_signed(rig: Rig) -> None:
    page = await page_of(rig, Kept(Head(3, NOW, is_proved=False)))

    assert re.search(r'<div class="band ill" role="alert">\s*<p><strong>Not verified', page)


async def test_erased_entries_keep_their_place_when_the_page_lists_them(rig: Rig) -> None:
    entries = [Entry(2, None, None, is_erased=True), Entry(1, None, None), Entry(0, "session.opened", NOW)]
    page = await page_of(rig, Kept(entries=entries, has_older=True))

    assert "Erased. Its leaf still stands in the tree." in page
    assert "This record cannot be read" in page
    assert 'href="/console/audit?before=0#entries"' in page


async def test_every_class_of_data_is_in_the_retention_table_when_the_page_is_shown(rig: Rig) -> None:
    page = await page_of(rig, Kept())
    table = page.split('<table class="kept">')[1].split("</table>")[0]
    rows = set(re.findall(r'<th scope="row">([a-z ]+)</th>', table))

    assert rows == {str(name).replace("_", " ") for name in DataClass if name is not DataClass.OPERATION}


@pytest.fixture
async def talk(rig: Rig) -> Talk:
    """A conversation that is in the log."""
    talk = await start_talk(rig)
    await talk.say("by the red door")
    await rig.send_all(talk.bucket)
    await sealed(rig)
    return talk


async def test_the_sealed_log_is_shown_when_there_is_one(rig: Rig, talk: Talk) -> None:
    page = await page_of(rig, SealedLog(rig.relay.audit_page))
    size = await rig.value("select size from audit_tree")
    shown = re.findall(r'<span class="event [a-z]+">([a-z._]+)</span>', page)

    assert f"Verified to entry {int(str(size)) - 1}" in page
    assert {"session.opened", "message.received", "message.accepted"} <= set(shown)
    assert "red door" not in page
    assert ALICE[1:] not in page
    assert talk.proxy(1) not in page


async def test_one_session_is_shown_when_its_id_is_asked_for_or_its_name_in_the_log(rig: Rig, talk: Talk) -> None:
    await rig.session(talk.pool, "+12025550166", "+12025550155")
    await sealed(rig)
    log = SealedLog(rig.relay.audit_page)
    by_id = await page_of(rig, log, f"?session={public(IdKind.SESSION, talk.id)}")
    (name,) = set(re.findall(r'class="ref" href="[^"]*session=([0-9a-f]{32})"', by_id))
    by_name = await page_of(rig, log, f"?session={name}")
    nobodys = await page_of(rig, log, "?session=ses_" + "a" * 26)

    events = [re.findall(r'<span class="event [a-z]+">([a-z._]+)</span>', page) for page in (by_id, by_name)]
    assert events[0] == events[1]
    assert events[0].count("session.opened") == 1
    assert "No entry is like that" in nobodys


async def test_days_are_whole_when_entries_are_asked_for_by_day(rig: Rig, talk: Talk) -> None:
    log, today = SealedLog(rig.relay.audit_page), (await rig.relay.database.now()).date()
    yesterday = today - timedelta(days=1)
    pages = [await page_of(rig, log, f"?since={day}&until={day}") for day in (today, yesterday)]

    assert "session.opened" in pages[0].split('<table class="entries">')[1].split("</table>")[0]
    assert "No entry is like that" in pages[1]


async def test_that_somebody_reads_is_an_event_when_the_page_is_shown(rig: Rig, talk: Talk) -> None:
    await page_of(rig, SealedLog(rig.relay.audit_page))

    assert await rig.value("select count(*) from event where type = 'audit.read'") == 1


_CHANGES = {
    "a record": "update audit_entry set record = overlay(record placing 'x' from position('received'::bytea in record))"
    " where type = 'message.received'",
    "a record for none": "update audit_entry set record = '{}' where n = 1",
    "a salt": "update audit_entry set salt = sha256(salt) where n = 2",
    "two records": "update audit_entry a set record = b.record, salt = b.salt from audit_entry b where a.n = 0 and b.n = 1",
    "a leaf": "update audit_tile set hashes = overlay(hashes placing sha256(hashes) from 33) where level = -1",
    "a missing tile": "delete from audit_tile where level = -1",
    "a short tile": "update audit_tile set hashes = substring(hashes for 32) where level = -1",
    "the head": "update audit_tree set checkpoint = replace(checkpoint, E'\\n' || size || E'\\n', E'\\n' || size + 1 || E'\\n')",
    "the signature": "update audit_tree set checkpoint = regexp_replace(checkpoint, E'.{6}\\n$', E'AAAAA=\\n')",
    "the size": "update audit_tree set size = size - 1",
}


@pytest.mark.parametrize("what", _CHANGES)
async def test_the_page_warns_when_somebody_changed_the_database(rig: Rig, talk: Talk, what: str) -> None:
    log = SealedLog(rig.relay.audit_page)
    before = await log.read(rig.account, rig.account.id, Wanted(), limit=50)
    changed = await rig.rows(f"{_CHANGES[what]} returning 1 as x")
    after = await log.read(rig.account, rig.account.id, Wanted(), limit=50)

    assert before.head is not None
    assert after.head is not None
    assert changed
    assert (before.head.is_proved, after.head.is_proved) == (True, False)


async def test_the_tree_is_checked_when_no_entry_is_shown(rig: Rig, talk: Talk) -> None:
    log, none = SealedLog(rig.relay.audit_page), Wanted(event="nothing.such")
    before = await log.read(rig.account, rig.account.id, none, limit=50)
    await rig.rows(f"{_CHANGES['a leaf']} returning 1 as x")
    after = await log.read(rig.account, rig.account.id, none, limit=50)

    assert before.head is not None
    assert after.head is not None
    assert (list(after.entries), before.head.is_proved, after.head.is_proved) == ([], True, False)


async def test_the_log_of_an_account_is_its_own_when_another_reads(rig: Rig, talk: Talk) -> None:
    other = await rig.relay.accounts.add("another market")
    found = await SealedLog(rig.relay.audit_page).read(other, other.id, Wanted(), limit=50)

    assert (found.head, list(found.entries)) == (None, [])


async def test_no_session_cookie_is_needed_for_the_api_and_none_is_taken_when_one_has_it(
    somebody: Browser, rig: Rig
) -> None:
    await somebody.log_in(await audit_key(rig, Scope.AUDIT, Scope.ADMIN))

    assert (await somebody.get("/v1/account")).status_code == 401
