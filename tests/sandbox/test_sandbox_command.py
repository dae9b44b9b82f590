"""``relay sandbox`` as a command: what it prints, what it keeps, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.sandbox.sandbox_process import (
    DRIVER,
    RIDER,
    descendants,
    is_running,
    running,
    started,
    until,
    watched,
)

pytestmark = pytest.mark.long

NUMBERS = [
    *(f"+1202555010{n}" for n in range(10)),
    *(f"+1415555010{n}" for n in range(10)),
    *(f"+467017406{n:02}" for n in range(5, 15)),
]


def test_one_line_says_everything_when_json_is_asked_for(tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path), "RELAY_DATABASE_URL": "postgresql://nowhere", "RELAY_KEYRING": "/nowhere"}
    log = tmp_path / "log"
    with running("--ephemeral", env=env, log=log) as sandbox:
        document, below = sandbox.document, descendants(sandbox.process.pid)
        audit = {"authorization": f"Bearer {document['audit_key']}"}
        scopes = sandbox.api.get("/v1/account"), sandbox.http.get("/v1/account", headers=audit)
        rented = sandbox.api.get("/v1/numbers", params={"limit": 200}).json()["data"]
        (folder,) = tmp_path.glob("relay-sandbox-*")
        passable = stat.S_IMODE(folder.stat().st_mode) & 0o001
        code = sandbox.stop()
        assert sandbox.process.stdout is not None
        rest = sandbox.process.stdout.read()

    assert document.keys() == {
        "url", "api_key", "audit_key", "database_url", "carrier_url", "connection", "numbers",
    }  # fmt: skip
    assert document["numbers"] == NUMBERS
    assert sorted(n["number"] for n in rented) == sorted(NUMBERS)
    assert [answer.status_code for answer in scopes] == [200, 403]
    assert scopes[0].json()["help_contact"]
    assert (code, rest) == (0, "")
    assert "RELAY_DATABASE_URL is set and not used" in log.read_text()
    assert len(below) >= 2
    assert not [pid for pid in below if is_running(pid)]
    assert bool(passable) == (os.geteuid() == 0)  # root's database runs as another user
    assert list(tmp_path.glob("relay-sandbox-*")) == []


def test_everything_is_found_again_when_it_is_started_anew(tmp_path: Path) -> None:
    env = {"RELAY_DATA_DIR": str(tmp_path / "data")}
    with running(env=env) as first:
        session, number, _ = first.open()
        first.http.put("/sandbox/clock", json={"advance": 7200}).raise_for_status()
        assert first.stop(signal.SIGINT) == 0
    with running(env=env) as second:
        again = second.api.get(f"/v1/sessions/{session}").json()
        second.text(RIDER, number, "still there?")
        shown = until(lambda: second.handset(DRIVER), bool)
        clock = second.http.get("/sandbox/clock").json()

    same = ("api_key", "audit_key", "connection", "numbers")
    assert [second.document[name] for name in same] == [first.document[name] for name in same]
    assert (again["status"], [text for _, _, text in shown]) == ("open", ["still there?"])
    assert clock["offset"] == 7200
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["sandbox"]
    memory = tmp_path / "data" / "sandbox" / "sandbox.json"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600


def test_nothing_is_started_when_the_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started("--json", "--port", port, env={"RELAY_DATA_DIR": str(tmp_path / "data")}) as process:
            below = watched(process)
            out, err = process.communicate()

    assert (process.returncode, out, below) == (1, "", set())
    assert f"cannot listen on 127.0.0.1 port {port}" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_the_carrier_is_ended_when_a_later_step_fails(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "sandbox"
    folder.mkdir(parents=True)
    (folder / "postgres").mkdir()  # no cluster: the database refuses it
    with started("--json", "--port", "0", env={"RELAY_DATA_DIR": str(tmp_path / "data")}) as process:
        below = watched(process)
        out, err = process.communicate()

    assert (process.returncode, out) == (1, "")
    assert "is not a PostgreSQL cluster" in err
    assert "Traceback" not in err
    assert below
    assert not [pid for pid in below if is_running(pid)]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_it_is_stopped_while_it_starts(tmp_path: Path, signum: signal.Signals) -> None:
    with started("--json", "--port", "0", "--ephemeral", env={"TMPDIR": str(tmp_path)}) as process:
        below = until(lambda: descendants(process.pid), bool, within=10)
        process.send_signal(signum)
        out, err = process.communicate(timeout=20)

    assert below
    assert (process.returncode, out, err) == (0, "", "")
    assert not [pid for pid in below if is_running(pid)]
    assert list(tmp_path.iterdir()) == []


def test_a_person_reads_where_everything_is_when_no_json_is_asked_for(tmp_path: Path) -> None:
    with started("--port", "0", "--no-browser", "--ephemeral", env={"TMPDIR": str(tmp_path)}, bufsize=1) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(15)]
        process.terminate()
        rest, err = process.communicate(timeout=20)

    assert (process.returncode, rest, err) == (0, "", "")
    said = "".join(lines)
    assert "/sandbox\n" in said
    assert "curl -s http://127.0.0.1:" in said
    assert "Ctrl-C" in said
    assert "\x1b" not in said
