"""The ``relay`` command. One module per group of commands; this one only names them."""

from __future__ import annotations

import typer

from relay.cli import schema, serve

app = typer.Typer(
    name="relay",
    help="Two people text each other; neither sees the other's phone number.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("migrate")(schema.command)


def main() -> None:
    app()
