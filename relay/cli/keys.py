"""``relay keys``: API keys, and links into the console. Each is shown once, when it is made, and can never be read again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from relay.cli.administration import AsJson, OfAccount, administer, looking_up, name
from relay.cli.printing import print_listing
from relay.cli.running import say
from relay.core import ids
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.times import written
from relay.storage.keys import ListedKey
from relay.wiring import Relay

app = typer.Typer(help="API keys.", no_args_is_help=True)

_TEN_YEARS = 10 * 366 * 86_400  # seconds
_COLUMNS = ("id", "name", "scopes", "status", "created_at", "expires_at", "last_used_at")

KeyName = Annotated[str, typer.Option("--name", callback=name, help="What it is for: you will find it by this word")]
Scopes = Annotated[list[Scope], typer.Option("--scope", help="What it may do; once for each scope")]
ExpiresIn = Annotated[int | None, typer.Option(min=1, max=_TEN_YEARS, help="Seconds; default: never")]


@app.command("add")
def add(*, account: OfAccount, key_name: KeyName, scope: Scopes, expires_in: ExpiresIn = None) -> None:
    """Make a key. It stands alone on stdout: KEY=$(relay keys add ...)."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        end = await relay.database.now() + timedelta(seconds=expires_in) if expires_in else None
        key = await relay.keys.add(owner, name=key_name, scopes=frozenset(scope), expires_at=end)
        typer.echo(key)
        say(f"this is the only time that the key {key_name} is shown; keep it where secrets are kept")

    administer(work)


@app.command("list")
def list_keys(account: OfAccount, as_json: AsJson = False) -> None:
    """An account's keys, without their secrets."""

    async def work(relay: Relay) -> None:
        found = await relay.keys.listed(await relay.accounts.by_name(account))
        now = await relay.database.now()
        print_listing([_document(key, now) for key in found], columns=_COLUMNS, as_json=as_json)

    administer(work)


@app.command("link")
def link(account: OfAccount) -> None:
    """Make a link that lets an auditor into the console once, within ten minutes. It stands alone on stdout."""

    async def work(relay: Relay) -> None:
        token = await relay.keys.link(await relay.accounts.by_name(account))
        # Behind the # it is never sent: no log of a server and no Referer can have it.
        typer.echo(f"{relay.public_url}/console/login#{token}")
        say("good once, within ten minutes, for eight hours at the console; whoever opens it first is in")

    administer(work)


@app.command("revoke")
def revoke(account: OfAccount, key_id: Annotated[str, typer.Argument(metavar="KEY_ID")]) -> None:
    """Make a key useless, within a second and for ever."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        with looking_up("key that still works", account, "keys list"):
            await relay.keys.revoke(owner, ids.parse(IdKind.KEY, key_id))
        say("revoked: it stops working within a second")

    administer(work)


def _document(key: ListedKey, now: datetime) -> dict[str, Any]:
    expired = key.expires_at is not None and key.expires_at <= now
    return {
        "id": public(IdKind.KEY, key.id),
        "name": key.name,
        "scopes": key.scopes,
        "status": "revoked" if key.revoked_at else "expired" if expired else "live",
        "created_at": written(key.created_at),
        "expires_at": written(key.expires_at),
        "revoked_at": written(key.revoked_at),
        "last_used_at": written(key.last_used_at),
    }
