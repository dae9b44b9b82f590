"""``relay privacy``: what is kept about people, whether it is forgotten in time, and what one person may ask.

Whose phone it is about is asked for on a terminal, else read from stdin. It is never an argument: those are in the shell's
history and in every process listing.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from relay.api.privacy import affected_json, report_json
from relay.api.sessions import stays_json
from relay.cli.administration import AsJson, OfAccount, administer, new_seed
from relay.cli.printing import print_json, print_listing
from relay.cli.running import say, told
from relay.core.affected import NOT_COUNTED, Leak, read_leak
from relay.core.ids import IdKind, public
from relay.core.phone import Phone
from relay.core.subject import STAYS, OperatorReason, RequestKind
from relay.core.times import written
from relay.services.subjects import SubjectWanted
from relay.storage.affected import Page
from relay.storage.configuration import Account
from relay.wiring import Relay

app = typer.Typer(help="What is kept about people, and for how long.", no_args_is_help=True)

_PAGE = 1000  # session ids
_CONCERNED = ("table", "class", "records", "people", "sessions", "readable_without_keyring", "protection")
_COLUMNS = ("class", "held", "oldest_at", "overdue", "kept_until")


@app.callback()
def group() -> None:
    """What is kept about people, and for how long."""


@app.command("retention")
def retention(as_json: AsJson = False) -> None:
    """What is held of each class of data, in all accounts, and what is overdue. Exit code 1 when anything is."""

    async def work(relay: Relay) -> None:
        report = await relay.retention.report()
        document = report_json(report)
        if as_json:
            print_json(document)
        else:
            print_listing(document["data"], columns=_COLUMNS, as_json=False)
        if report.overdue:
            say(f"{report.overdue} rows should have been forgotten more than an hour ago: is a worker running?")
            raise typer.Exit(1)

    administer(work)


Why = Annotated[OperatorReason, typer.Option("--reason", help="Why you answer for this person")]
_WHY = OperatorReason.IDENTIFIED_OTHERWISE


@app.command("show")
def show(account: OfAccount, reason: Why = _WHY) -> None:
    """Print everything that there is about one person, as they would get it. It is noted that somebody asked."""
    phone = _asked_phone()

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        print_json(await relay.subjects.show(owner, phone, reason=reason, seed=await new_seed(relay)))

    administer(work)


@app.command("erase")
def erase(account: OfAccount, reason: Why = _WHY) -> None:
    """Erase what may be erased about one person; print what stays, and why."""
    phone = _asked_phone()

    async def work(relay: Relay) -> None:
        owner, wanted = await relay.accounts.by_name(account), SubjectWanted(RequestKind.ERASURE, phone, reason=reason)
        done = await relay.subjects.ask(owner, wanted, key_id=None, seed=await new_seed(relay))
        unreadable_from = written(await relay.erasure.unreadable_from())
        print_json(
            {
                "id": public(IdKind.REQUEST, done.id),
                "stays": [stays_json(one) for one in STAYS],
                "backups_unreadable_from": unreadable_from,
            }
        )

    administer(work)


Copied = Annotated[str | None, typer.Option("--table", help="What was copied; the whole database when not given")]
OfClass = Annotated[str | None, typer.Option("--class", help="Only this class of data")]
Since = Annotated[str | None, typer.Option("--from", help="Since when, such as 2026-11-20T08:00:00Z; default: ever")]
Until = Annotated[str | None, typer.Option("--until", help="Until when; default: now")]
OnlySessions = Annotated[bool, typer.Option("--sessions", help="The ids of all sessions concerned, one a line")]


@app.command("affected")
def affected(
    account: OfAccount,
    table: Copied = None,
    data_class: OfClass = None,
    since: Since = None,
    until: Until = None,
    only_sessions: OnlySessions = False,
    as_json: AsJson = False,
) -> None:
    """Whom it concerns when a table was copied within a window: how much of what, about how many people, which sessions."""

    async def work(relay: Relay) -> None:
        owner, now = await relay.accounts.by_name(account), await relay.database.now()
        leak = read_leak(table=table, data_class=data_class, since=since, until=until, now=now)
        if only_sessions:
            await _print_sessions(relay, owner, leak)
            return
        answer = await relay.affected.by(owner, leak, Page(None, _PAGE))
        document = affected_json(answer, limit=_PAGE)
        if as_json:
            print_json(document)
            return
        print_listing(document["data"], columns=_CONCERNED, as_json=False)
        say(f"{answer.sessions} sessions in all; their ids: --sessions. {NOT_COUNTED}")

    administer(work)


async def _print_sessions(relay: Relay, owner: Account, leak: Leak) -> None:
    page = Page(None, _PAGE)
    while found := (await relay.affected.by(owner, leak, page)).session_ids:
        for session_id in found:
            typer.echo(public(IdKind.SESSION, session_id))
        page = Page(found[-1], _PAGE)


def _asked_phone() -> Phone:
    """The phone that is typed, or the one line of stdin."""
    given = typer.prompt("phone", err=True) if sys.stdin.isatty() else sys.stdin.readline()
    with told():
        return Phone.parse(given.strip())
    raise AssertionError  # told() leaves the program
