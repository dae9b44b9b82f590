"""From an empty PostgreSQL to a text that crosses, by the command line alone, and what each missing piece is answered.

Every command is a process of its own. The carrier is simulated, but its webhook is signed by Twilio's own package (extra
``oracles``), and what arrived is read from the carrier's ledger.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.storage.embedded import EmbeddedServer, find_binaries, start_embedded
from tests.acceptance.processes import ACCOUNT_SID, AUTH_TOKEN, running_carrier, start
from tests.cli.command import Answer, Command

pytestmark = pytest.mark.long

RIDER, DRIVER = "+12025550177", "+46701740677"
NUMBERS = ("+12025550100", "+12025550101", "+46701740606")
TEXT = "I am at the north door"
FORM = {"MessageSid": "SM" + "1" * 32, "AccountSid": ACCOUNT_SID, "NumMedia": "0"}


def binaries() -> Path:
    return find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server in ``data`` that this process holds, with an empty database."""
    with start_embedded(tmp_path / "data", binaries=binaries()) as server:
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def installation(server: EmbeddedServer, folder: Path, port: int, **more: str) -> Command:
    """The command line of an operator who has filled in the settings and done nothing else."""
    settings = {
        "RELAY_DATABASE_URL": server.dsn,
        "RELAY_KEYRING": str(folder / "keyring.json"),
        "RELAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "RELAY_PORT": str(port),
    }
    return Command({**settings, **more})


def set_up(relay: Command) -> tuple[dict[str, str], str]:
    """What the README says. Returns the ids and the key that were printed, and all that was said."""
    said: list[Answer] = []

    def run(*arguments: str, stdin: str = "") -> str:
        said.append(relay(*arguments, stdin=stdin))
        assert said[-1].code == 0, said[-1]
        return said[-1].stdout.strip()

    run("keyring", "make", relay.settings["RELAY_KEYRING"])
    run("migrate")
    run("accounts", "add", "acme")
    key = run("keys", "add", "--account", "acme", "--name", "backend", "--scope", "sessions")
    credentials = ("--account-sid", ACCOUNT_SID)
    add = ("connections", "add", "--account", "acme", "--provider", "twilio", *credentials)
    connection = run(*add, stdin=f"auth_token={AUTH_TOKEN}\n")
    run("pools", "add", "--account", "acme", "default")
    run("numbers", "add", "--account", "acme", "--pool", "default", "--connection", connection, *NUMBERS)
    return {"key": key, "connection": connection}, "".join(answer.stdout + answer.stderr for answer in said)


async def open_session(url: str, key: str) -> Mapping[str, str]:
    """Open a session as a marketplace does; returns which number each of the two texts."""
    body = {"participants": [{"phone": RIDER}, {"phone": DRIVER}]}
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/v1/sessions", json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 201, answer.text
    rider, driver = answer.json()["participants"]
    return {RIDER: rider["proxy_number"], DRIVER: driver["proxy_number"]}


async def text(url: str, connection: str, form: Mapping[str, str], *, token: str) -> int:
    """Post a text as Twilio does, signed by Twilio's own package with this token; returns the status."""
    validator = pytest.importorskip("twilio.request_validator").RequestValidator(token)
    address = f"{url}/hooks/{connection}/inbound"
    signature = validator.compute_signature(address, dict(form))
    async with httpx.AsyncClient() as client:
        answer = await client.post(address, data=dict(form), headers={"x-twilio-signature": signature})
    return answer.status_code


async def ledger(carrier: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Every send that the carrier has accepted, waiting for the first."""
    entries: list[dict[str, Any]] = []
    async with asyncio.timeout(15):
        while not entries:
            await asyncio.sleep(0.05)
            entries = (await carrier.get("/control/ledger")).json()
    return entries


@pytest.mark.oracle
async def test_a_text_crosses_when_all_was_set_up_by_the_command_line(
    empty_server: EmbeddedServer, tmp_path: Path
) -> None:
    pytest.importorskip("twilio")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running_carrier(tmp_path) as carrier:
        relay = installation(empty_server, tmp_path, port, RELAY_CARRIER_URL=str(carrier.base_url).rstrip("/"))
        made, said = set_up(relay)
        serve = start(["-m", "relay", "serve"], tmp_path / "serve.log", relay.environment())
        try:
            await serve.logged("ready")
            numbers = await open_session(url, made["key"])
            form = {**FORM, "From": RIDER, "To": numbers[RIDER], "Body": TEXT}
            forged = await text(url, made["connection"], form | {"Body": "forged"}, token="another token")
            genuine = await text(url, made["connection"], form, token=AUTH_TOKEN)
            await ledger(carrier)
            doctor = relay("doctor", "--json")
        finally:
            code = serve.stop()
        arrived = await ledger(carrier)

    assert (forged, genuine, code) == (403, 204, 0)
    assert [(entry["from"], entry["to"], entry["text"]) for entry in arrived] == [(numbers[DRIVER], DRIVER, TEXT)]
    assert doctor.code == 0
    assert {f["verdict"] for f in doctor.document["findings"] if f["check"] not in {"public_url", "carrier"}} == {"ok"}
    log = (tmp_path / "serve.log").read_text()
    for secret in (RIDER[1:], DRIVER[1:], TEXT, AUTH_TOKEN, made["key"].split("_", 2)[2]):
        assert secret not in log + doctor.stdout
        assert said.count(secret) == (secret in made["key"])  # the key once, everything else never


def test_words_say_what_is_missing_when_the_keyring_or_the_schema_is(
    empty_server: EmbeddedServer, tmp_path: Path
) -> None:
    relay = installation(empty_server, tmp_path, 0)
    not_migrated = relay("serve").refusal
    relay("migrate")
    no_keyring = relay("serve").refusal
    relay("keyring", "make", str(tmp_path / "keyring.json"))
    relay("accounts", "list")
    relay("keyring", "make", str(tmp_path / "another.json"))
    wrong_keyring = relay.having(RELAY_KEYRING=str(tmp_path / "another.json"))("serve").refusal

    assert "run `relay migrate`" in not_migrated
    assert "no keyring at " in no_keyring
    assert "`relay keyring make`" in no_keyring
    assert "another.json is not the keyring that this database was sealed with" in wrong_keyring


def test_words_say_what_to_do_when_somebody_else_has_the_port_or_the_data_directory(
    empty_server: EmbeddedServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        no_port = installation(empty_server, tmp_path, port)("serve").refusal
    embedded = Command({"RELAY_DATA_DIR": str(tmp_path / "data"), "RELAY_PORT": "0"})
    locked = {command: embedded(*command).refusal for command in [("serve",), ("accounts", "list")]}

    assert f"cannot listen on 127.0.0.1 port {port}" in no_port
    assert "choose another with --port" in no_port
    for refusal in locked.values():
        assert f"process id {os.getpid()} is using {tmp_path / 'data'}" in refusal
        assert "stop it, or use another data directory" in refusal


def test_nothing_is_served_when_the_database_may_forget_what_it_confirmed(tmp_path: Path) -> None:
    with start_embedded(tmp_path / "data", binaries=binaries(), settings={"fsync": "off"}) as server:
        relay = installation(server, tmp_path, 0)
        relay("migrate")
        relay("keyring", "make", str(tmp_path / "keyring.json"))
        refusal = relay("serve").refusal
        doctor = relay("doctor", "--json")

    assert "fsync = off: acknowledged texts could be lost" in refusal
    assert doctor.code == 1
    assert [f["check"] for f in doctor.document["findings"] if f["verdict"] == "problem"] == ["durability"]


def test_an_embedded_database_is_kept_when_commands_run_one_after_the_other(tmp_path: Path) -> None:
    relay = Command({"RELAY_DATA_DIR": str(tmp_path / "data")})
    made = relay("accounts", "add", "acme")
    listed = relay("accounts", "list", "--json")
    doctor = relay("doctor", "--json")
    verdicts = {finding["check"]: finding["verdict"] for finding in doctor.document["findings"]}

    assert [account["id"] for account in listed.document["data"]] == [made.stdout.strip()]
    assert (tmp_path / "data" / "keyring.json").stat().st_mode & 0o777 == 0o600
    assert (doctor.code, verdicts["server"], verdicts["leases"], verdicts["disk"]) == (0, "warning", "skipped", "ok")
