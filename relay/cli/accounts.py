"""``relay accounts``: the marketplaces of this installation, and what each has decided for itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from relay.api.account import account_json
from relay.cli.administration import AsJson, administer, at_least_one, name, one_line
from relay.cli.printing import print_listing
from relay.cli.running import say
from relay.core import lifetime
from relay.core.caps import MOST_DAILY
from relay.core.ids import IdKind, public
from relay.core.model import OnAmbiguous
from relay.core.notices import LANGUAGES, Phrase
from relay.wiring import Relay

app = typer.Typer(help="The marketplaces of this installation.", no_args_is_help=True)

_SHORTEST_LIFE = 60  # seconds
_LONGEST_LIFE = int(lifetime.LONGEST_LIFE.total_seconds())
_SHORTEST_COOL_DOWN = int(lifetime.SHORTEST_COOL_DOWN.total_seconds())
_LONGEST_COOL_DOWN = int(lifetime.LONGEST_COOL_DOWN.total_seconds())
_LONGEST_NOTICE = 1600  # characters, as for any text
_COLUMNS = ("id", "name", "language", "on_ambiguous", "allowed_countries", "default_expires_in", "default_cool_down")


@app.command("add")
def add(account: Annotated[str, typer.Argument(metavar="NAME", callback=name)]) -> None:
    """Make an account; its id is printed."""

    async def work(relay: Relay) -> None:
        made = await relay.accounts.add(account)
        typer.echo(public(IdKind.ACCOUNT, made.id))
        say(f"made the account {account}; the other commands know it by this name (--account)")

    administer(work)


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """All accounts."""

    async def work(relay: Relay) -> None:
        found = (await relay.configuration.refreshed()).accounts.values()
        print_listing([account_json(a) for a in found], columns=_COLUMNS, as_json=as_json)

    administer(work)


def _countries(value: str | None) -> str | None:
    if value and not all(re.fullmatch("[A-Z]{2}", country) for country in value.split(",")):
        raise typer.BadParameter("must be two capital letters each, with commas between them: US,SE")
    return value


def _idle_timeout(value: int | None) -> int | None:
    if value is not None and 0 < value < _SHORTEST_LIFE:
        raise typer.BadParameter(f"must be 0 (never) or at least {_SHORTEST_LIFE} seconds")
    return value


def _daily_cap(value: str | None) -> str | None:
    if value not in (None, "none") and not (value.isascii() and value.isdecimal() and int(value) <= MOST_DAILY):
        raise typer.BadParameter(f"must be a whole number of at most {MOST_DAILY}, or none")
    return value


def _notices(values: list[str] | None) -> list[str] | None:
    for value in values or []:
        phrase, _, words = value.partition("=")
        if phrase not in set(Phrase) or "=" not in value:
            raise typer.BadParameter(f"must be WORD=TEXT with one of these words: {', '.join(Phrase)}")
        if len(words) > _LONGEST_NOTICE or not words.replace("\n", "").isprintable():
            raise typer.BadParameter(f"must be at most {_LONGEST_NOTICE} printable characters")
    return values


Programme = Annotated[str | None, typer.Option(callback=one_line, help="Who you are, in answers to HELP")]
Contact = Annotated[str | None, typer.Option(callback=one_line, help="How people reach you, in answers to HELP")]
Language = Annotated[str | None, typer.Option(help=f"Language of notices: {', '.join(sorted(LANGUAGES))}")]
Ambiguous = Annotated[OnAmbiguous | None, typer.Option(help="A send whose fate stays unknown: wait for you, or again")]
Life = Annotated[
    int | None, typer.Option(min=_SHORTEST_LIFE, max=_LONGEST_LIFE, help="Seconds that a session lives by default")
]
Idle = Annotated[
    int | None,
    typer.Option(min=0, max=_LONGEST_LIFE, callback=_idle_timeout, help="Silent seconds that end a session; 0 = never"),
]
CoolDown = Annotated[
    int | None,
    typer.Option(min=_SHORTEST_COOL_DOWN, max=_LONGEST_COOL_DOWN, help="Seconds before a number serves someone anew"),
]
Countries = Annotated[
    str | None, typer.Option(callback=_countries, help="Countries people's phones may be of: US,SE; '' = any of ours")
]
DailyCap = Annotated[
    str | None, typer.Option(callback=_daily_cap, help="Texts that may leave within a day of UTC; none = any number")
]
Notices = Annotated[
    list[str] | None, typer.Option(callback=_notices, help=f"WORD=TEXT; '' = ours again. Words: {', '.join(Phrase)}")
]


@app.command("set")
def change(
    account: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    programme: Programme = None,
    help_contact: Contact = None,
    language: Language = None,
    on_ambiguous: Ambiguous = None,
    expires_in: Life = None,
    idle_timeout: Idle = None,
    cool_down: CoolDown = None,
    allowed_countries: Countries = None,
    notice: Notices = None,
    daily_cap: DailyCap = None,
) -> None:
    """Change what an account has decided for itself. What is not named stays."""
    words = {"programme": programme, "help_contact": help_contact, "language": language, "notice": notice or None}
    times = {"expires_in": expires_in, "idle_timeout": idle_timeout, "cool_down": cool_down}
    rules = {"on_ambiguous": on_ambiguous, "allowed_countries": allowed_countries, "daily_cap": daily_cap}
    given: dict[str, Any] = {**words, **times, **rules}
    at_least_one(**given)

    async def work(relay: Relay) -> None:
        found = await relay.accounts.by_name(account)
        await relay.accounts.change(found.id, _changes(given, found.notices))
        say(f"changed the account {account}")

    administer(work)


def _changes(given: Mapping[str, Any], notices: Mapping[str, str]) -> dict[str, Any]:
    """Options as fields of an account: durations are its defaults, notices are added to the ones it has."""
    named = {option: value for option, value in given.items() if value is not None}
    changes = {_FIELDS.get(option, option): value for option, value in named.items() if option != "notice"}
    if "idle_timeout" in named:
        changes["default_idle_timeout"] = named["idle_timeout"] or None
    if "allowed_countries" in named:
        changes["allowed_countries"] = tuple(filter(None, named["allowed_countries"].split(",")))
    if "daily_cap" in named:
        changes["daily_cap"] = None if named["daily_cap"] == "none" else int(named["daily_cap"])
    if "notice" in named:
        own = {**notices, **dict(value.split("=", 1) for value in named["notice"])}
        changes["notices"] = {phrase: words for phrase, words in own.items() if words}
    return changes


_FIELDS = {
    "expires_in": "default_expires_in",
    "idle_timeout": "default_idle_timeout",
    "cool_down": "default_cool_down",
}
