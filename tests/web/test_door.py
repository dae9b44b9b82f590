"""Into the console and out of it: by key, by link, for how long, and what ends it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from relay.core.ids import IdKind, parse
from relay.core.keys import Purpose
from relay.core.model import Scope
from relay.vault.keyring import new_key
from tests.api.rig import Log
from tests.services.rig import CREDENTIALS, Rig, make_rig
from tests.web.browser import PUBLIC_URL, Browser, audit_key, browser

_EFFECTIVE_WITHIN = 1.01  # seconds
SESSION, VISITOR = "__Host-relay-console", "__Host-relay-visitor"


def key_id(spelled: str) -> UUID:
    return parse(IdKind.KEY, f"key_{spelled.split('_')[1]}")


async def told(rig: Rig) -> list[str]:
    """The events of keys."""
    return [str(row["type"]) for row in await rig.rows("select type from event where type like 'key.%'")]


async def test_an_auditor_is_in_when_their_key_is_typed_in(somebody: Browser, rig: Rig) -> None:
    before = await somebody.is_in()
    answer = await somebody.log_in(await audit_key(rig))

    assert (answer.status_code, answer.headers["location"]) == (303, "/console/audit")
    assert (before, await somebody.is_in()) == (False, True)


async def test_the_cookie_is_kept_from_scripts_and_other_sites_when_somebody_logs_in(
    somebody: Browser, rig: Rig
) -> None:
    answer = await somebody.log_in(await audit_key(rig))
    (written,) = answer.headers.get_list("set-cookie")
    name, _, rest = written.partition("=")

    assert name == SESSION
    assert set(rest.split("; ")[1:]) == {"Path=/", "HttpOnly", "SameSite=Strict", "Secure"}


async def test_the_cookie_has_a_plain_name_when_this_machine_alone_is_served_over_http(rig: Rig) -> None:
    near = await make_rig(rig.relay.database, public_url="http://127.0.0.1:8000")
    async with browser(near) as somebody:
        answer = await somebody.log_in(await audit_key(near))
        is_in = await somebody.is_in()

    assert answer.headers["set-cookie"].startswith("relay-console=")
    assert "Secure" not in answer.headers["set-cookie"]
    assert is_in


async def test_nobody_gets_to_the_door_when_the_public_address_is_plain_http(rig: Rig) -> None:
    plain = await make_rig(rig.relay.database, public_url="http://relay.example.com")
    async with browser(plain) as somebody:
        answers = [await somebody.get(path) for path in ("/console/login", "/console/audit")]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert "set-cookie" not in answers[0].headers


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.AUDIT])
async def test_a_key_is_refused_when_it_may_not_read_the_log(somebody: Browser, rig: Rig, scope: Scope) -> None:
    answer = await somebody.log_in(await audit_key(rig, scope))

    assert answer.status_code == 403
    assert not await somebody.is_in()


async def test_every_wrong_secret_gets_one_answer_when_it_is_typed_in(somebody: Browser, rig: Rig) -> None:
    good, link = await audit_key(rig), await rig.relay.keys.link(rig.account)
    used = await rig.relay.keys.link(rig.account)
    await rig.relay.keys.follow(used)
    wrong = ["", "x", "rk_", "rl_", good[:-1], good + "x", good.replace("rk_", "rl_"), link.replace("rl_", "rk_"), used]
    wrong += [link[:-1] + ("A" if link[-1] != "A" else "B"), "rl_" + "a" * 26 + "_x", "<script>", "\u00e9", "k" * 3000]
    answers = [await somebody.log_in(secret) for secret in wrong]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text.split('name="form_token"')[0] for answer in answers}) == 1
    assert SESSION not in somebody.cookies
    assert (await somebody.log_in(link)).status_code == 303


async def test_a_link_lets_in_once_when_it_is_shown_twice(somebody: Browser, rig: Rig) -> None:
    link = await rig.relay.keys.link(rig.account)
    (key,) = await rig.relay.keys.listed(rig.account)
    first = await somebody.log_in(link)
    async with browser(rig) as other:
        second, third = await other.log_in(link), await other.log_in(link)

    assert key.expires_at == key.created_at + timedelta(hours=8, minutes=10)
    assert [answer.status_code for answer in (first, second, third)] == [303, 403, 403]
    assert await somebody.is_in()
    assert sorted(await told(rig)) == ["key.created", "key.link_refused", "key.link_used", "key.linked"]


async def test_one_gets_in_when_many_show_a_link_at_once(rig: Rig) -> None:
    link = await rig.relay.keys.link(rig.account)
    answers = await asyncio.gather(*(rig.relay.keys.follow(link) for _ in range(32)), return_exceptions=True)

    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert (await told(rig)).count("key.link_used") == 1
    assert (await told(rig)).count("key.link_refused") == 1


async def test_a_link_is_refused_when_its_ten_minutes_are_over(somebody: Browser, rig: Rig) -> None:
    in_time, late = [await rig.relay.keys.link(rig.account) for _ in range(2)]
    rig.later(minutes=9)
    first = await somebody.log_in(in_time)
    rig.later(minutes=1)
    second = await somebody.log_in(late)

    assert (first.status_code, second.status_code) == (303, 403)


async def test_a_link_is_refused_when_its_key_was_revoked(somebody: Browser, rig: Rig) -> None:
    link = await rig.relay.keys.link(rig.account)
    await rig.relay.keys.revoke(rig.account, key_id(link))

    assert (await somebody.log_in(link)).status_code == 403


async def test_no_secret_is_in_the_database_or_the_log_when_links_were_made_and_used(
    somebody: Browser, rig: Rig, log: Log
) -> None:
    link, key = await rig.relay.keys.link(rig.account), await audit_key(rig)
    await somebody.log_in(link)
    await somebody.log_in(key)
    await somebody.is_in()
    tables = ("api_key", "console_link", "event")
    stored = str([await rig.rows(f"select row_to_json(t)::text as row from {table} t") for table in tables])
    seen = stored + log.text

    assert key_id(link).hex[:8] in stored
    for secret in (link, key, somebody.cookies[SESSION]):
        assert secret not in seen
        assert secret.split("_")[-1] not in seen
    assert {line["route"] for line in log.lines() if line["event"] == "console_request"} == {
        "/console/login",
        "/console/audit",
    }


@pytest.mark.parametrize("how", ["key", "link"])
async def test_the_session_is_over_when_eight_hours_have_passed(somebody: Browser, rig: Rig, how: str) -> None:
    await somebody.log_in(await (audit_key(rig) if how == "key" else rig.relay.keys.link(rig.account)))
    rig.later(hours=7, minutes=59)
    await asyncio.sleep(_EFFECTIVE_WITHIN)
    before = await somebody.is_in()
    rig.later(minutes=1)
    await asyncio.sleep(_EFFECTIVE_WITHIN)

    assert (before, await somebody.is_in()) == (True, False)


async def test_the_session_is_over_within_a_second_when_the_key_that_was_shown_is_revoked(
    somebody: Browser, rig: Rig
) -> None:
    key = await audit_key(rig)
    await somebody.log_in(key)
    before = await somebody.is_in()
    await rig.relay.keys.revoke(rig.account, key_id(key))
    await asyncio.sleep(_EFFECTIVE_WITHIN)

    assert (before, await somebody.is_in()) == (True, False)


async def test_the_session_is_over_within_a_second_when_its_own_key_is_revoked(somebody: Browser, rig: Rig) -> None:
    """It is in the list of keys, so an operator can throw out one auditor and leave the key to the others."""
    await somebody.log_in(await audit_key(rig))
    before = await somebody.is_in()
    (own,) = [key for key in await rig.relay.keys.listed(rig.account) if key.name == "console"]
    assert own.expires_at == own.created_at + timedelta(hours=8)
    await rig.relay.keys.revoke(rig.account, own.id)
    await asyncio.sleep(_EFFECTIVE_WITHIN)

    assert (before, await somebody.is_in()) == (True, False)


async def test_a_session_is_forgotten_a_day_after_its_end_and_no_other_key(somebody: Browser, rig: Rig) -> None:
    """Its link goes with it. A key of the same name that may do more, or never ends, is somebody's own."""
    await somebody.log_in(await audit_key(rig))
    link = await rig.relay.keys.link(rig.account)
    await rig.relay.keys.follow(link)
    soon = await rig.relay.database.now() + timedelta(hours=8)
    for scopes, until in ((frozenset({Scope.AUDIT, Scope.ADMIN}), soon), (frozenset({Scope.AUDIT}), None)):
        await rig.relay.keys.add(rig.account, name="console", scopes=scopes, expires_at=until)
    own = await audit_key(rig)

    async def left() -> tuple[int, int]:
        while await rig.relay.keys.forget_sessions(rig.account.bucket):
            pass
        links = await rig.value("select count(*) from console_link")
        return len(await rig.relay.keys.listed(rig.account)), int(str(links))

    before = await left()
    rig.later(hours=31)
    within = await left()
    rig.later(hours=2)
    after = await left()

    assert (before, within) == ((6, 1), (6, 1))
    assert after == (4, 0)
    assert (await rig.relay.keys.caller(own)).account == rig.account


async def test_a_copied_cookie_is_worth_nothing_when_its_owner_has_logged_out(somebody: Browser, rig: Rig) -> None:
    key = await audit_key(rig)
    await somebody.log_in(key)
    async with browser(rig) as thief:
        thief.http.cookies.set(SESSION, somebody.cookies[SESSION], domain="relay.example.com")
        before = await thief.is_in()
        answer = await somebody.log_out()
        await asyncio.sleep(_EFFECTIVE_WITHIN)
        after = await thief.is_in()

    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    assert SESSION not in somebody.cookies
    assert (before, after) == (True, False)
    assert (await rig.relay.keys.caller(key)).scopes == {Scope.AUDIT}


async def test_old_cookies_and_forms_are_refused_when_the_token_key_is_rotated(somebody: Browser, rig: Rig) -> None:
    await somebody.log_in(await audit_key(rig))
    before, form = await somebody.is_in(), await somebody.token()
    ring = rig.relay.vault.keyring
    ring.take({**ring.all(), Purpose.TOKEN: (*ring.all()[Purpose.TOKEN], new_key(2))})
    ring.seal_with({Purpose.TOKEN: 2})
    after = await somebody.is_in()
    late = await somebody.post("/console/login", {"form_token": form, "secret": await audit_key(rig)})

    assert (before, after, late.status_code) == (True, False, 403)
    assert (await somebody.log_in(await audit_key(rig))).status_code == 303


async def test_a_cookie_is_refused_when_one_letter_of_it_is_another(somebody: Browser, rig: Rig) -> None:
    await somebody.log_in(await audit_key(rig))
    good = somebody.cookies[SESSION]
    async with browser(rig) as other:
        for place in range(len(good)):
            forged = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
            other.http.cookies.set(SESSION, forged, domain="relay.example.com")
            assert not await other.is_in(), place
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".replace(good[-1], ""):
            other.http.cookies.set(SESSION, good[:-1] + letter, domain="relay.example.com")
            assert not await other.is_in(), letter
        for forged in ("", "x", good + ".", good[:-1], good.replace(".", "..")):
            other.http.cookies.set(SESSION, forged, domain="relay.example.com")
            assert not await other.is_in(), forged


async def test_a_visitors_cookie_is_no_session_when_it_is_shown_as_one(somebody: Browser, rig: Rig) -> None:
    await somebody.get("/console/login")
    somebody.http.cookies.set(SESSION, somebody.cookies[VISITOR], domain="relay.example.com")

    assert not await somebody.is_in()


async def test_the_key_of_a_session_opens_no_api_when_it_is_tried(rig: Rig) -> None:
    """The link's secret is for the console, and for once."""
    link = await rig.relay.keys.link(rig.account)
    async with browser(rig) as http:
        for shown in (link, link.replace("rl_", "rk_")):
            answer = await http.get("/v1/privacy/retention", authorization=f"Bearer {shown}")
            assert answer.status_code == 401


async def test_an_auditor_sees_their_own_account_when_there_are_two(somebody: Browser, rig: Rig) -> None:
    other = await rig.relay.accounts.add("another market")
    await rig.relay.connections.add(other, "twilio", CREDENTIALS, await rig.seed())
    await somebody.log_in(await audit_key(rig))
    page = (await somebody.get("/console/audit")).text

    assert rig.account.name in page
    assert "another market" not in page


async def test_pages_name_their_addresses_in_full_when_the_installation_lies_under_a_path(rig: Rig) -> None:
    under = await make_rig(rig.relay.database, public_url=f"{PUBLIC_URL}/under/it")
    async with browser(under) as somebody:
        page = (await somebody.get("/console/login")).text
        answer = await somebody.log_in(await audit_key(under))

    assert 'action="/under/it/console/login"' in page
    assert answer.headers["location"] == "/under/it/console/audit"
