"""``relay privacy``."""

from __future__ import annotations

from relay.core.ids import IdKind, Seed, parse, public
from relay.core.phone import Phone, parse_number
from relay.services.numbers import NumberWanted
from relay.services.sessions import PersonWanted, SessionWanted
from relay.wiring import Relay
from tests.cli.command import Command
from tests.cli.conftest import Shop
from tests.services.people import phone


def test_the_report_is_a_table_or_a_document_when_nothing_is_overdue(relay: Command, shop: Shop) -> None:
    shown = relay("privacy", "retention")
    document = relay.inside("privacy", "retention", "--json").document
    rows = {row["class"]: row for row in document["data"]}

    assert (shown.code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[0].split() == ["class", "held", "oldest", "at", "overdue", "kept", "until"]
    assert len(shown.stdout.splitlines()) == 1 + len(rows)
    assert (document["overdue"], rows["credentials"]["held"], rows["configuration"]["held"]) == (0, 1, 2)


def test_the_command_fails_when_something_is_overdue(relay: Command, shop: Shop) -> None:
    async def leave_an_old_event(house: Relay) -> None:
        async with house.database.transaction() as tx:
            await tx.execute("update event set at = at - interval '31 days'")

    shop.look(leave_an_old_event)
    done = relay.inside("privacy", "retention", "--json")

    assert done.code == 1
    assert done.document["overdue"] == 1
    assert "should have been forgotten" in done.stderr


ALICE = "+12025550177"


def test_everything_about_a_person_is_printed_when_their_phone_is_read_from_stdin(relay: Command, shop: Shop) -> None:
    shown = relay("privacy", "show", "--account", "shop", stdin=f"{ALICE}\n")
    on_terminal = relay.on_terminal("privacy", "show", "--account", "shop", typed=[ALICE])

    assert (shown.code, shown.stderr, shown.document["sessions"]) == (0, "", [])
    assert on_terminal.code == 0
    assert '"sessions": []' in on_terminal.stdout


def test_a_person_is_erased_and_it_is_said_what_stays(relay: Command, shop: Shop) -> None:
    done = relay.inside("privacy", "erase", "--account", "shop", "--reason", "own_initiative", stdin=ALICE)

    async def noted(house: Relay) -> list[tuple[str, str]]:
        async with house.database.transaction() as tx:
            rows = await tx.fetch("select type, reason from event where type like 'privacy.%'")
        return [(row["type"], row["reason"]) for row in rows]

    assert (done.code, done.stderr, done.document["id"][:4]) == (0, "", "req_")
    assert "suppression" in {one["what"] for one in done.document["stays"]}
    assert shop.look(noted) == [("privacy.erasure", "own_initiative")]


def test_a_phone_is_no_argument_and_is_not_repeated_when_it_is_none(relay: Command, shop: Shop) -> None:
    as_argument = relay.inside("privacy", "show", "--account", "shop", ALICE)
    refused = relay.inside("privacy", "show", "--account", "shop", stdin="0815 4711\n")

    assert as_argument.code == 2
    assert "0815" not in refused.refusal


def opened(shop: Shop, count: int) -> list[str]:
    """The ids of so many sessions of the shop, newest first."""

    async def work(house: Relay) -> list[str]:
        pool = await house.pools.find(shop.account, "default")
        connection = parse(IdKind.CONNECTION, shop.connection)
        seed = Seed(await house.database.now(), b"number 123")
        await house.numbers.add(shop.account, NumberWanted(parse_number("+12025550100"), pool, connection), seed)
        found = []
        for n in range(count):
            people = (
                PersonWanted(Phone.parse(phone(2 * n)), "one"),
                PersonWanted(Phone.parse(phone(2 * n + 1)), "other"),
            )
            seed = Seed(await house.database.now(), n.to_bytes(10, "big"))
            found.append(
                (await house.sessions.open(shop.account, SessionWanted(pool=pool, people=people), seed)).session.id
            )
        return [public(IdKind.SESSION, session_id) for session_id in sorted(found, reverse=True)]

    return shop.look(work)


def test_whom_a_leak_concerns_is_a_table_a_document_or_ids(relay: Command, shop: Shop) -> None:
    sessions = opened(shop, 3)
    about = ("privacy", "affected", "--account", "shop", "--table", "participant")
    shown, document = relay.inside(*about), relay.inside(*about, "--json").document
    ids = relay.inside(*about, "--sessions")
    long_ago = relay.inside(*about, "--sessions", "--from", "2025-01-01T00:00Z", "--until", "2025-01-02T00:00Z")
    lines = [line.split() for line in shown.stdout.splitlines()]

    assert (shown.code, [line[:5] for line in lines[1:]]) == (
        0,
        [["participant", name, "6", "6", "3"] for name in ("phone", "party_index", "session")],
    )
    assert "3 sessions in all" in shown.stderr
    assert (document["sessions"], document["session_ids"]) == (3, sessions)
    assert (ids.stdout.splitlines(), ids.stderr) == (sessions, "")
    assert (long_ago.code, long_ago.stdout) == (0, "")


def test_all_ids_are_printed_when_they_are_more_than_a_page(relay: Command, shop: Shop) -> None:
    sessions = opened(shop, 1)

    async def many(house: Relay) -> list[str]:
        async with house.database.transaction() as tx:
            rows = await tx.fetch(_GROW)
        return [public(IdKind.SESSION, row["id"]) for row in rows]

    grown = shop.look(many)
    ids = relay.inside("privacy", "affected", "--account", "shop", "--sessions").stdout.splitlines()

    assert len(ids) == len(set(ids)) == 2001
    assert set(ids) == {*sessions, *grown}


_GROW = """
insert into session (bucket, id, account_id, pool_id, status, created_at, expires_at, cool_down)
select bucket, gen_random_uuid(), account_id, pool_id, status, created_at, expires_at, cool_down
  from session, generate_series(1, 2000) returning id
"""


def test_a_leak_is_refused_when_there_is_no_such_table_or_time(relay: Command, shop: Shop) -> None:
    about = ("privacy", "affected", "--account", "shop")
    unknown = relay.inside(*about, "--table", "phones")
    naive = relay.inside(*about, "--from", "2026-11-20T08:00")

    assert "table: must be one of: session, participant" in unknown.refusal
    assert "from: must be a time with its zone" in naive.refusal
