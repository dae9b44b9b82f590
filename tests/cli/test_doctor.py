"""``relay doctor`` over real installations, whole and broken ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from relay.storage import leases
from relay.storage.embedded import EmbeddedServer
from relay.vault import keyring, keyring_file
from relay.wiring import Relay
from tests.cli.command import Answer, Command
from tests.cli.conftest import AUTH_TOKEN, Shop
from tests.cli.test_connections import carrier

OFFLINE = ("doctor", "--offline", "--json")


def verdicts(answer: Answer) -> dict[str, str]:
    return {finding["check"]: finding["verdict"] for finding in answer.document["findings"]}


def said(answer: Answer, check: str) -> Mapping[str, str]:
    """The one finding of a check."""
    (finding,) = [finding for finding in answer.document["findings"] if finding["check"] == check]
    return {str(name): str(value) for name, value in finding.items()}


def serve_every_bucket(shop: Shop) -> None:
    async def work(house: Relay) -> None:
        owner = uuid4()
        for bucket in (await house.configuration.refreshed()).buckets:
            async with house.database.transaction() as tx:
                await leases.take(tx, bucket, owner, timedelta(minutes=5))

    shop.look(work)


def park_a_text(shop: Shop) -> None:
    """A row of the outbox that a person has to decide about. What is sealed in it is of no interest here."""

    async def work(house: Relay) -> None:
        (pool,) = (await house.configuration.refreshed()).pools.values()
        async with house.database.transaction() as tx:
            await tx.execute(
                "insert into outbox (bucket, message_id, account_id, party_index, kind, number_id, segments, sealed_phone,"
                " sealed_text, transit_id, phase, arrived_at, due_at, deadline_at)"
                " values ($1, $2, $3, '', 'relay', $2, 1, '', '', 1, 'parked', $4, $4, $4)",
                pool.bucket,
                tx.new_id(pool.bucket),
                shop.account.id,
                tx.now - timedelta(minutes=90),
            )

    shop.look(work)


def test_everything_is_ok_when_an_installation_is_whole(relay: Command, shop: Shop) -> None:
    numbers = ("numbers", "add", "--account", "shop", "--pool", "default", "--connection", shop.connection)
    relay.inside(*numbers, "+12025550100")
    serve_every_bucket(shop)
    with carrier(AUTH_TOKEN) as url:
        done = relay.having(RELAY_CARRIER_URL=url)("doctor", "--json")
    found = verdicts(done)

    assert found.pop("carrier") == "warning"  # in place of every real provider
    assert done.code == 0
    assert done.document["healthy"] is True
    assert found == dict.fromkeys(found, "ok")
    assert said(done, "leases")["words"].endswith("is served, by 1 process")
    assert found.keys() == {
        "settings", "public_url", "database", "durability", "replication", "clock", "schema", "keyring", "accounts",
        "pool", "leases", "texts", "connection",
    }  # fmt: skip


def test_each_check_is_a_line_with_what_to_do_when_it_is_read_by_people(relay: Command, shop: Shop) -> None:
    done = relay("doctor", "--offline")
    lines = done.stdout.splitlines()

    assert done.code == 0
    assert {line.split()[0] for line in lines} == {"ok", "warning", "skipped"}
    assert "warning   pool         shop/default has no numbers - relay numbers add" in lines
    assert "skipped   connection   --offline: no provider was asked" in lines
    assert any(line.startswith("warning   leases       nobody serves ") for line in lines)
    assert "\x1b" not in done.stdout


def test_verdicts_have_colours_when_there_is_a_terminal(relay: Command) -> None:
    shown = relay.on_terminal("doctor", "--offline").stdout

    assert "\x1b[32mok" in shown
    assert "\x1b[33mwarning" in shown
    assert "there is no account yet" in shown


def test_a_parked_text_is_a_warning_when_it_waits_for_a_person(relay: Command, shop: Shop) -> None:
    park_a_text(shop)
    done = relay.inside(*OFFLINE)

    assert done.code == 0
    assert said(done, "texts")["verdict"] == "warning"
    assert said(done, "texts")["words"] == "1 parked; the oldest came 90 minutes ago"


def test_credentials_are_a_problem_when_the_provider_refuses_them(relay: Command, shop: Shop) -> None:
    with carrier("another token") as url:
        refused = relay.having(RELAY_CARRIER_URL=url).inside("doctor", "--json")
    silent = relay.having(RELAY_CARRIER_URL=url).inside("doctor", "--json")

    assert (refused.code, silent.code) == (1, 1)
    assert "refuses these credentials" in said(refused, "connection")["words"]
    assert "does not answer" in said(silent, "connection")["words"]


def test_schema_is_a_problem_and_nothing_else_is_read_when_it_is_not_migrated(
    relay: Command, pg_server: EmbeddedServer
) -> None:
    done = relay.having(RELAY_DATABASE_URL=pg_server.dsn).inside(*OFFLINE)

    assert done.code == 1
    assert done.document["healthy"] is False
    assert "run `relay migrate`" in said(done, "schema")["words"]
    assert said(done, "contents")["verdict"] == "skipped"
    assert "pool" not in verdicts(done)


def test_keyring_is_a_problem_when_it_is_missing_open_to_others_or_another(
    relay: Command, shop: Shop, tmp_path: Path
) -> None:
    another, open_to_others = tmp_path / "another.json", tmp_path / "open.json"
    keyring_file.save_new(keyring.make(), another)
    keyring_file.save_new(keyring.make(), open_to_others)
    open_to_others.chmod(0o640)
    wrong = {
        str(tmp_path / "missing.json"): "no keyring at ",
        str(another): "is not the keyring that this database was sealed with",
        str(open_to_others): "chmod 600",
    }

    for path, words in wrong.items():
        done = relay.having(RELAY_KEYRING=path).inside("doctor", "--json")
        assert done.code == 1
        assert words in said(done, "keyring")["words"]
        assert said(done, "connection")["verdict"] == "skipped"  # nothing opens them
        assert verdicts(done)["pool"] == "warning"  # and yet the rest is looked at


@pytest.mark.parametrize(
    ("settings", "check", "words"),
    [
        ({"RELAY_PORT": "high"}, "settings", "RELAY_PORT"),
        ({"RELAY_DATABASE_URL": "postgresql://127.0.0.1:1/relay"}, "database", "the database does not answer"),
        ({"RELAY_DATABASE_URL": "postgresql://[/relay"}, "database", "RELAY_DATABASE_URL"),
    ],
    ids=["unreadable setting", "nobody there", "malformed address"],
)
def test_words_say_what_is_wrong_when_nothing_can_be_opened(
    settings: dict[str, str], check: str, words: str, tmp_path: Path
) -> None:
    done = Command({"RELAY_DATA_DIR": str(tmp_path), **settings}).inside(*OFFLINE)

    assert done.code == 1
    assert words in said(done, check)["words"]


def test_nothing_is_made_when_there_is_nothing_yet(tmp_path: Path) -> None:
    done = Command({"RELAY_DATA_DIR": str(tmp_path / "none")}).inside("doctor", "--json")

    assert done.code == 0
    assert said(done, "database")["words"] == "there is none yet"
    assert verdicts(done)["public_url"] == verdicts(done)["server"] == "warning"
    assert list(tmp_path.iterdir()) == []


def test_no_keyring_is_made_when_the_database_has_sealed_nothing(dsn: str, tmp_path: Path) -> None:
    fresh = Command({"RELAY_DATABASE_URL": dsn, "RELAY_DATA_DIR": str(tmp_path)})
    done = fresh.inside("doctor", "--json")

    assert done.code == 0
    assert said(done, "keyring")["verdict"] == "warning"
    assert list(tmp_path.iterdir()) == []
