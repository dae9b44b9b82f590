"""``relay connections``: credentials at providers. They go in, are sealed, and never come out again.

A secret is typed without being shown, or read from stdin as ``name=value`` lines. It is never an argument: those are in
the shell's history and in every process listing. Nor is a line of stdin ever repeated, since nobody knows what is in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from relay.api.account import connection_json
from relay.cli.administration import AsJson, OfAccount, OnlyAccount, accounts_meant, administer, new_seed
from relay.cli.printing import aligned, print_listing
from relay.cli.running import say, told
from relay.core import ids
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, public
from relay.providers.base import Adapter
from relay.storage.configuration import Account, Connection
from relay.wiring import PROVIDERS, Relay

app = typer.Typer(help="Credentials at SMS providers.", no_args_is_help=True)

_ADAPTERS = {adapter.name: adapter for adapter in PROVIDERS}
_SHOWN_WHEN_TYPED = ("_sid", "_id")  # what providers' names for things end in; everything else is taken for a secret
_COLUMNS = ("id", "account", "provider", "created_at", "inbound", "voice")

Provider = Annotated[str, typer.Option(help=f"One of: {', '.join(sorted(_ADAPTERS))}")]
AccountSid = Annotated[str | None, typer.Option(help="The provider's name for your account there; not a secret")]
ConnectionId = Annotated[str, typer.Argument(metavar="CONNECTION_ID")]


def _known_provider(value: str) -> Adapter:
    if value not in _ADAPTERS:
        raise typer.BadParameter(f"--provider must be one of: {', '.join(sorted(_ADAPTERS))}")
    return _ADAPTERS[value]


@app.command("add")
def add(*, account: OfAccount, provider: Provider, account_sid: AccountSid = None) -> None:
    """Store credentials. The id is printed, then what to enter at the provider.

    Secrets are asked for on a terminal; anywhere else stdin has one name=value on each line.
    """
    adapter = _known_provider(provider)
    given = {"account_sid": account_sid} if account_sid else {}
    with told():
        credentials = given | (_typed(adapter, given) if sys.stdin.isatty() else _read(adapter, sys.stdin))

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        made = await relay.connections.add(owner, provider, credentials, await new_seed(relay))
        typer.echo(public(IdKind.CONNECTION, made.id))
        document = _document(relay, owner, made)
        say(f"enter these addresses at {provider}, for inbound texts (POST) and for calls:")
        say(aligned([(hook, document[hook]) for hook in ("inbound", "voice")]))

    administer(work)


def _typed(adapter: Adapter, given: Iterable[str]) -> dict[str, str]:
    """Ask for every field that was not given. An empty answer leaves an optional one out."""
    answers: dict[str, str] = {}
    for field in [field for field in adapter.fields if field not in set(given)]:
        say(adapter.fields[field])
        hidden = not field.endswith(_SHOWN_WHEN_TYPED)
        answers[field] = typer.prompt(field, default="", show_default=False, hide_input=hidden, err=True).strip()
    return {field: answer for field, answer in answers.items() if answer}


def _read(adapter: Adapter, lines: Iterable[str]) -> dict[str, str]:
    """Fields from ``name=value`` lines. Raises InvalidInput, which names a line by its number alone."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        field, equals, value = line.strip().partition("=")
        if not line.strip():
            continue
        if not equals or field not in adapter.fields or field in found:
            words = f"must be name=value with each name once, out of: {', '.join(adapter.fields)}"
            raise InvalidInput(Problem(f"stdin line {number}", "malformed", words))
        found[field] = value
    return found


@app.command("list")
def list_connections(account: OnlyAccount = None, as_json: AsJson = False) -> None:
    """Connections, with the addresses that their providers call."""

    async def work(relay: Relay) -> None:
        owners = await accounts_meant(relay, account)
        documents = [_document(relay, o, c) for o in owners for c in await relay.connections.listed(o)]
        print_listing(documents, columns=_COLUMNS, as_json=as_json)

    administer(work)


@app.command("test")
def test(connection_id: ConnectionId) -> None:
    """Ask the provider whether it takes the credentials; exit 1 when it does not."""

    async def work(relay: Relay) -> None:
        owner, connection = await _find(relay, connection_id)
        if not await relay.connections.test(owner, connection.id):
            say(f"relay: {connection.provider} refuses these credentials")
            raise typer.Exit(1)
        say(f"{connection.provider} takes these credentials")

    administer(work)


@app.command("remove")
def remove(connection_id: ConnectionId) -> None:
    """Forget a connection that no number uses."""

    async def work(relay: Relay) -> None:
        owner, connection = await _find(relay, connection_id)
        await relay.connections.remove(owner, connection.id)
        say("removed")

    administer(work)


async def _find(relay: Relay, connection_id: str) -> tuple[Account, Connection]:
    """A connection of whichever account. Raises NotFound."""
    directory = await relay.configuration.refreshed()
    try:
        found = directory.connections[ids.parse(IdKind.CONNECTION, connection_id)]
    except (KeyError, NotFound):
        raise NotFound("there is no such connection: see `relay connections list`") from None
    return directory.accounts[found.account_id], found


def _document(relay: Relay, owner: Account, connection: Connection) -> dict[str, Any]:
    """A connection with the whole addresses of its hooks."""
    document = connection_json(connection)
    hooks = {name: f"{relay.settings.public_url}{path}" for name, path in document.pop("hooks").items()}
    return {"id": document.pop("id"), "account": owner.name, **document, **hooks}
