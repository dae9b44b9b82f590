"""The account's settings and its connections. Credentials go in and never come out."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from relay.storage.database import Database
from tests.api.rig import ALICE, PUBLIC_URL, Api, at_the_door, inbound
from tests.services.carrier import answered
from tests.services.rig import make_rig

SECRETS = {
    "account_sid": "AC" + "7" * 32,
    "auth_token": "quite-a-secret-token",
    "auth_token_secondary": "the-token-before-it",
    "api_key_sid": "SK" + "8" * 32,
    "api_key_secret": "the-secret-of-a-key",
    "shared_key": "shared-by-two",
}


async def test_the_account_is_answered_whole_when_it_is_read(api: Api) -> None:
    account = (await api.ask("GET", "/v1/account")).json()

    assert account["name"] == api.rig.account.name
    assert account.pop("id").startswith("acc_")
    assert account.pop("created_at").endswith("Z")
    assert {name: value for name, value in account.items() if name != "name"} == {
        "programme": "",
        "help_contact": "",
        "language": "en",
        "notices": {},
        "on_ambiguous": "park",
        "allowed_countries": [],
        "default_expires_in": 86400,
        "default_idle_timeout": None,
        "default_cool_down": 259200,
        "default_expiring_notice": 600,
        "quiet_hours": {"from": "21:00", "to": "08:00"},
        "daily_cap": None,
    }


CHANGES: tuple[dict[str, Any], ...] = (
    {"programme": "Rides", "help_contact": "help@rides.example"},
    {"language": "de"},
    {"notices": {"ended": "This ride is over."}},
    {"on_ambiguous": "resend"},
    {"allowed_countries": ["SE", "US"]},
    {"default_expires_in": 3600, "default_idle_timeout": 600, "default_cool_down": 7200},
    {"daily_cap": 10},
    {"daily_cap": None},
)


async def test_only_what_was_named_changes_when_the_account_is_changed(api: Api) -> None:
    for change in CHANGES:
        before = (await api.ask("GET", "/v1/account")).json()
        changed = await api.ask("PATCH", "/v1/account", change)

        assert changed.status_code == 200, changed.text
        assert changed.json() == {**before, **change}
        assert (await api.ask("GET", "/v1/account")).json() == changed.json()


async def test_defaults_are_used_when_a_session_says_nothing_else(api: Api) -> None:
    await api.ask("PATCH", "/v1/account", {"default_idle_timeout": 600, "default_cool_down": 7200})
    session = await api.session()
    await api.ask("PATCH", "/v1/account", {"default_idle_timeout": None})
    later = await api.session()

    assert (session["idle_timeout"], session["cool_down"]) == (600, 7200)
    assert later["idle_timeout"] is None


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"language": "tlh"}, "language"),
    ({"notices": {"poem": "a"}}, "notices"),
    ({"on_ambiguous": "hope"}, "on_ambiguous"),
    ({"allowed_countries": ["us"]}, "allowed_countries.0"),
    ({"allowed_countries": ["US\n"]}, "allowed_countries.0"),
    ({"default_cool_down": 60}, "default_cool_down"),
    ({"default_expires_in": "3600"}, "default_expires_in"),
    ({"default_expires_in": True}, "default_expires_in"),
    ({"name": "another"}, "name"),
)


async def test_the_field_is_named_when_a_change_is_not_right(api: Api) -> None:
    before = (await api.ask("GET", "/v1/account")).json()
    for change, field in WRONG:
        answer = await api.ask("PATCH", "/v1/account", change)

        assert answer.status_code == 422, change
        assert [p["field"] for p in answer.json()["errors"]] == [field]
    assert (await api.ask("GET", "/v1/account")).json() == before


async def test_credentials_are_never_answered_when_connections_are_made_and_read(api: Api) -> None:
    body = {"provider": "twilio", "credentials": SECRETS}
    made = await api.ask("POST", "/v1/connections", body, idempotency_key="once")
    replayed = await api.ask("POST", "/v1/connections", body, idempotency_key="once")
    listed = await api.ask("GET", "/v1/connections")
    read = await api.ask("GET", f"/v1/connections/{made.json()['id']}")
    connection = made.json()

    assert set(connection) == {"id", "provider", "created_at", "hooks"}
    assert set(connection["hooks"].values()) == {f"/hooks/{connection['id']}/{kind}" for kind in ("inbound", "voice")}
    assert read.json() == listed.json()["data"][0] == connection
    for answer in (made, replayed, listed, read):
        assert answer.status_code in (200, 201)
        assert not [secret for secret in SECRETS.values() if secret in answer.text]


async def test_credentials_are_sealed_when_they_are_stored(api: Api) -> None:
    await api.made("/v1/connections", {"provider": "twilio", "credentials": SECRETS}, idempotency_key="once")
    connections = await api.rig.rows("select row_to_json(c)::text as row, sealed_credentials from connection c")
    answers = await api.rig.rows("select row_to_json(i)::text as row, sealed_answer from idempotency i")

    stored = [bytes(str(value), "utf-8") for row in (*connections, *answers) for value in row.values()]
    raw = [value for row in (*connections, *answers) for value in row.values() if isinstance(value, bytes)]
    assert raw
    for secret in SECRETS.values():
        hexed = secret.encode().hex().encode()
        assert not [row for row in (*stored, *raw) if secret.encode() in row or hexed in row]


WRONG_CONNECTIONS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"provider": "pigeon", "credentials": {}}, "provider"),
    ({"provider": "twilio", "credentials": {}}, "account_sid"),
    ({"provider": "twilio", "credentials": {**SECRETS, "auth_token": "with a space"}}, "auth_token"),
    ({"provider": "twilio", "credentials": {**SECRETS, "auth_token": "x" * 201}}, "credentials.auth_token"),
    ({"provider": "twilio", "credentials": {**SECRETS, "base_url": "http://127.0.0.1"}}, "credentials"),
    ({"provider": "twilio", "credentials": SECRETS, "base_url": "http://127.0.0.1"}, "base_url"),
    ({"provider": "twilio"}, "credentials"),
)


async def test_a_connection_is_refused_when_it_cannot_be_right(api: Api) -> None:
    for body, field in WRONG_CONNECTIONS:
        answer = await api.ask("POST", "/v1/connections", body)

        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["field"] == field
        assert not [secret for secret in SECRETS.values() if secret in answer.text]
    assert [c["id"] for c in (await api.ask("GET", "/v1/connections")).json()["data"]] == [api.connection]


async def test_a_connection_stays_when_numbers_use_it(api: Api) -> None:
    refused = await api.ask("DELETE", f"/v1/connections/{api.connection}")
    unused = (await api.made("/v1/connections", {"provider": "twilio", "credentials": SECRETS}))["id"]
    removed = await api.ask("DELETE", f"/v1/connections/{unused}")
    again = await api.ask("DELETE", f"/v1/connections/{unused}")

    assert (refused.status_code, refused.json()["code"]) == (409, "connection_in_use")
    assert (removed.status_code, removed.content) == (204, b"")
    assert again.status_code == 404


async def test_no_webhook_is_taken_when_its_connection_was_removed(api: Api) -> None:
    unused = (await api.made("/v1/connections", {"provider": "twilio", "credentials": SECRETS}))["id"]
    await api.ask("DELETE", f"/v1/connections/{unused}")
    await api.rig.relay.configuration.refreshed()
    text = inbound(api, ALICE, "+12025550100", "hello")
    answer = await type(text)(f"/hooks/{unused}/inbound", text.form).post(api, token=SECRETS["auth_token"])

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("status", "expected"), [(200, {"works": True}), (401, {"works": False}), (429, None), (500, None), (0, None)]
)
async def test_a_connection_is_tried_out_when_it_is_tested(
    shared_db: Database, status: int, expected: dict[str, bool] | None
) -> None:
    def provider(_: httpx.Request) -> httpx.Response:
        if not status:
            raise httpx.ConnectError("nobody there")
        return answered(status, {"messages": []})

    rig = await make_rig(shared_db, answers=httpx.MockTransport(provider), public_url=PUBLIC_URL)
    async with at_the_door(rig) as api:
        answer = await api.ask("POST", f"/v1/connections/{api.connection}/test")

    if expected is None:
        assert (answer.status_code, answer.json()["code"]) == (409, "provider_unavailable")
        assert answer.headers["retry-after"] == "5"
    else:
        assert (answer.status_code, answer.json()) == (200, expected)
