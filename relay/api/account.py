"""``/v1/account`` and ``/v1/connections``."""

from __future__ import annotations

from datetime import time
from typing import Any

from relay.api.answers import gives
from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import AccountBody, ConnectionBody, EmptyBody
from relay.api.shown import AccountSettings, ConnectionPage, ConnectionTest
from relay.api.shown import Connection as ShownConnection
from relay.core import ids
from relay.core.ids import IdKind, public
from relay.core.model import OnAmbiguous, Scope
from relay.core.quiet_hours import QuietHours
from relay.core.times import written
from relay.storage.configuration import Account, Connection


async def read_account(call: Call) -> Reply:
    return Reply(account_json(await call.services.accounts.read(call.account.id)))


async def change_account(call: Call) -> Reply:
    changes: dict[str, Any] = call.read(AccountBody).model_dump(exclude_unset=True)
    nullable = {"default_idle_timeout", "daily_cap"}
    changes = {name: value for name, value in changes.items() if value is not None or name in nullable}
    if "on_ambiguous" in changes:
        changes["on_ambiguous"] = OnAmbiguous(changes["on_ambiguous"])
    if "allowed_countries" in changes:
        changes["allowed_countries"] = tuple(changes["allowed_countries"])
    if "quiet_hours" in changes:
        since, until = (time.fromisoformat(changes["quiet_hours"][end]) for end in ("since", "until"))
        changes["quiet_hours"] = QuietHours(since, until)
    return Reply(account_json(await call.services.accounts.change(call.account.id, changes)))


async def add_connection(call: Call) -> Reply:
    body = call.read(ConnectionBody)
    connection = await call.services.connections.add(call.account, body.provider, body.credentials, call.seed)
    return Reply(connection_json(connection), 201)


async def list_connections(call: Call) -> Reply:
    found = await call.services.connections.listed(call.account)
    return Reply({"data": [connection_json(c) for c in reversed(found)], "next_cursor": None})


async def read_connection(call: Call) -> Reply:
    connection_id = ids.parse(IdKind.CONNECTION, call.path["id"])
    return Reply(connection_json(await call.services.connections.read(call.account, connection_id)))


async def remove_connection(call: Call) -> Reply:
    await call.services.connections.remove(call.account, ids.parse(IdKind.CONNECTION, call.path["id"]))
    return Reply({}, 204)


async def test_connection(call: Call) -> Reply:
    connection_id = ids.parse(IdKind.CONNECTION, call.path["id"])
    return Reply({"works": await call.services.connections.test(call.account, connection_id)})


def account_json(a: Account) -> dict[str, Any]:
    return {
        "id": public(IdKind.ACCOUNT, a.id),
        "name": a.name,
        "programme": a.programme,
        "help_contact": a.help_contact,
        "language": a.language,
        "notices": dict(a.notices),
        "on_ambiguous": a.on_ambiguous,
        "allowed_countries": list(a.allowed_countries),
        "default_expires_in": a.default_expires_in,
        "default_idle_timeout": a.default_idle_timeout,
        "default_cool_down": a.default_cool_down,
        "default_expiring_notice": a.default_expiring_notice,
        "quiet_hours": {"from": f"{a.quiet_hours.since:%H:%M}", "to": f"{a.quiet_hours.until:%H:%M}"},
        "daily_cap": a.daily_cap,
        "created_at": written(a.created_at),
    }


def connection_json(c: Connection) -> dict[str, Any]:
    """A connection without its credentials, which are never shown again."""
    connection_id = public(IdKind.CONNECTION, c.id)
    return {
        "id": connection_id,
        "provider": c.provider,
        "created_at": written(c.created_at),
        "hooks": {"inbound": f"/hooks/{connection_id}/inbound", "voice": f"/hooks/{connection_id}/voice"},
    }


_A = Scope.ADMIN

# fmt: off
ENDPOINTS = (
    Endpoint("GET", "/v1/account", _A, read_account, "The account's settings", answers=gives(AccountSettings)),
    Endpoint("PATCH", "/v1/account", _A, change_account, "Change them", AccountBody, answers=gives(AccountSettings)),
    Endpoint("POST", "/v1/connections", _A, add_connection, "Add credentials; never shown again", ConnectionBody,
             answers=gives(ShownConnection, status=201)),
    Endpoint("GET", "/v1/connections", _A, list_connections, "All connections, newest first",
             answers=gives(ConnectionPage)),
    Endpoint("GET", "/v1/connections/{id}", _A, read_connection, "One connection", answers=gives(ShownConnection)),
    Endpoint("DELETE", "/v1/connections/{id}", _A, remove_connection, "Remove an unused connection",
             answers=gives(None, "connection_in_use")),
    Endpoint("POST", "/v1/connections/{id}/test", _A, test_connection, "Are the credentials right?", EmptyBody,
             answers=gives(ConnectionTest, "provider_unavailable")),
)
# fmt: on
