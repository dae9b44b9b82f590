"""What the commands that administer an installation share: options, the accounts they mean, seeds for new ids, where to look.

The rule for all of them: stdout carries what a program wants (an id, a key, one JSON document, a listing), stderr what is
said to a person. Limits on names and lengths are those of the HTTP API; whoever changes one changes both.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from relay.cli.running import run, settings_or_exit
from relay.core import ids
from relay.core.errors import NotFound
from relay.core.ids import Seed
from relay.storage.configuration import Account
from relay.wiring import Relay

LONGEST_NAME = 64
LONGEST_LINE = 200


def administer(work: Callable[[Relay], Awaitable[None]]) -> None:
    """Do something with everything open. An embedded database is brought up to date first, as ``relay serve`` does."""
    settings = settings_or_exit()
    run(settings, work, migrate=not settings.database_url)


def name(value: str) -> str:
    """Raises BadParameter unless it is 1 to 64 printable characters."""
    if not (0 < len(value) <= LONGEST_NAME and value.isprintable()):
        raise typer.BadParameter(f"must be 1 to {LONGEST_NAME} printable characters")
    return value


def one_line(value: str | None) -> str | None:
    """Raises BadParameter for control characters and for more than 200 characters."""
    if value is not None and not (len(value) <= LONGEST_LINE and value.isprintable()):
        raise typer.BadParameter(f"must be at most {LONGEST_LINE} printable characters")
    return value


def at_least_one(**given: object) -> None:
    """Raises BadParameter, which names the options, when none was given."""
    if all(value is None for value in given.values()):
        options = ", ".join(f"--{option.replace('_', '-')}" for option in given)
        raise typer.BadParameter(f"give at least one of {options}")


@contextmanager
def looking_up(what: str, account: str, listing: str) -> Iterator[None]:
    """Whoever names what an account does not have is told where to look: NotFound, with the command that lists them."""
    try:
        yield
    except NotFound:
        raise NotFound(f"{account} has no such {what}: see `relay {listing}`") from None


async def new_seed(relay: Relay) -> Seed:
    """What the id of a new row is made from, at the database's time."""
    return Seed(await relay.database.now(), secrets.token_bytes(ids.ENTROPY_BYTES))


async def accounts_meant(relay: Relay, account: str | None) -> list[Account]:
    """The account of this name, or all of them. Raises NotFound."""
    if account is not None:
        return [await relay.accounts.by_name(account)]
    return list((await relay.configuration.refreshed()).accounts.values())


OfAccount = Annotated[str, typer.Option("--account", help="Name of the account")]
OnlyAccount = Annotated[str | None, typer.Option("--account", help="Only this account's")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table")]
Rate = Annotated[
    float | None, typer.Option(min=0.01, max=10_000, help="Segments per second; default: what carriers allow its kind")
]
