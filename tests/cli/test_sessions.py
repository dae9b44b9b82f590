"""``relay sessions close``: many sessions, from the machine itself, without a server."""

from __future__ import annotations

from relay.cli.administration import new_seed
from relay.core.ids import IdKind, parse
from relay.core.phone import Phone, parse_number
from relay.services.numbers import NumberWanted
from relay.services.sessions import PersonWanted, SessionWanted
from relay.wiring import Relay
from tests.cli.command import Command
from tests.cli.conftest import Shop
from tests.services.people import numbers, phone


def open_sessions(shop: Shop, count: int) -> None:
    """So many open sessions, of two people each who are in no other."""

    async def work(relay: Relay) -> None:
        pool = await relay.pools.find(shop.account, "default")
        connection = parse(IdKind.CONNECTION, shop.connection)
        for e164 in numbers(2):
            await relay.numbers.add(
                shop.account, NumberWanted(parse_number(e164), pool, connection, 100.0), await new_seed(relay)
            )
        for n in range(count):
            people = (PersonWanted(Phone(phone(2 * n))), PersonWanted(Phone(phone(2 * n + 1))))
            wanted = SessionWanted(pool=pool, people=people, unique_name=f"trip-{n}")
            await relay.sessions.open(shop.account, wanted, await new_seed(relay))

    shop.look(work)


def test_all_that_are_meant_are_closed_when_nobody_else_is_there_to_do_it(relay: Command, shop: Shop) -> None:
    open_sessions(shop, 3)
    close = ["sessions", "close", "--account", "shop"]
    tried = relay.inside(*close, "--pool", "default", "--dry-run")
    one = relay.inside(*close, "--name-prefix", "trip-1", "--yes", "--json").document
    before = relay.inside(*close, "--created-before", "2026-01-01T00:00:00Z", "--yes")
    rest = relay.on_terminal(*close, "--pool", "default", "--yes")
    shown = relay.inside("pools", "show", "--account", "shop", "default", "--json").document

    assert (tried.code, tried.stdout, tried.stderr) == (0, "", "3 open sessions of shop\n")
    assert (one["matched"], one["closed"], one["remaining"], one["done"]) == (1, 1, 0, True)
    assert before.stderr == "0 open sessions of shop\n"
    assert "2 open sessions of shop" in rest.stderr + rest.stdout
    assert shown["open_sessions"] == 0


def test_it_is_refused_when_nothing_is_said_of_which(relay: Command, shop: Shop) -> None:
    nothing = relay.inside("sessions", "close", "--account", "shop", "--yes")
    nowhere = relay.inside("sessions", "close", "--account", "shop", "--pool", "south", "--yes")
    never = relay.inside("sessions", "close", "--account", "shop", "--idle-since", "yesterday", "--yes")

    assert (nothing.code, nowhere.code, never.code) == (2, 1, 1)
    assert nowhere.stderr == "relay: shop has no such pool: see `relay pools list`\n"
    assert "--idle-since: must be a time with its zone" in never.stderr
