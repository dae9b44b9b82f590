"""``relay privacy``: what is kept about people, whether it is forgotten in time, and what one person may ask.

Whose phone it is about is asked for on a terminal, else read from stdin. It is never an argument: those are in the shell's
history and in every process listing.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from relay.api.privacy import report_json
from relay.api.sessions import stays_json
from relay.cli.administration import AsJson, OfAccount, administer, new_seed
from relay.cli.printing import print_json, print_listing
from relay.cli.running import say, told
from relay.core.ids import IdKind, public
from relay.core.phone import Phone
from relay.core.subject import STAYS, OperatorReason, RequestKind
from relay.core.times import written
from relay.services.subjects import SubjectWanted
from relay.wiring import Relay

app = typer.Typer(help="What is kept about people, and for how long.", no_args_is_help=True)

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


def _asked_phone() -> Phone:
    """The phone that is typed, or the one line of stdin."""
    given = typer.prompt("phone", err=True) if sys.stdin.isatty() else sys.stdin.readline()
    with told():
        return Phone.parse(given.strip())
    raise AssertionError  # told() leaves the program
