"""``relay privacy``: what is kept about people, and whether it is forgotten in time."""

from __future__ import annotations

import typer

from relay.api.privacy import report_json
from relay.cli.administration import AsJson, administer
from relay.cli.printing import print_json, print_listing
from relay.cli.running import say
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
