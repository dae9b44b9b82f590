"""The carrier as a process of its own: ready line, clean end, the ledger's file, and what it may import."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.sandbox.carrier_rig import ALICE, MESSAGES, NUMBER, SID, TOKEN

pytestmark = pytest.mark.long

COMMAND = [sys.executable, "-m", "relay.sandbox.carrier", "--account-sid", SID]
ENVIRON = os.environ | {"CARRIER_AUTH_TOKEN": TOKEN}


@contextmanager
def carrier_process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running carrier process and its address."""
    with subprocess.Popen([*COMMAND, *arguments], env=ENVIRON, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def send(url: str, body: str) -> httpx.Response:
    form = {"To": ALICE, "From": NUMBER, "Body": body}
    return httpx.post(url + MESSAGES, data=form, auth=(SID, TOKEN), trust_env=False)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_process_tells_its_address_and_ends_cleanly_when_signalled(signum: signal.Signals) -> None:
    with carrier_process() as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert send(url, "hello").status_code == 201

        process.send_signal(signum)
        rest, _ = process.communicate(timeout=5)

        assert (process.returncode, rest) == (0, "")


def test_entries_outlive_the_process_when_it_is_killed(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with carrier_process("--ledger", str(ledger)) as (process, url):
        send(url, "ett\ntvå")
        process.kill()
        process.wait()
    with carrier_process("--ledger", str(ledger)) as (_, url):
        send(url, "three")
        listed = httpx.get(f"{url}/control/ledger", trust_env=False).json()

    entries = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    assert [(entry["n"], entry["text"]) for entry in entries] == [(1, "ett\ntvå"), (2, "three")]
    assert entries[0].keys() == {"n", "from", "to", "text", "at", "id", "token"}
    assert listed == [{**entries[1], "deleted_at": None}]
    assert ledger.stat().st_mode & 0o077 == 0


def test_config_and_port_are_those_of_the_command_line_when_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    addresses = {"webhook_url": "http://127.0.0.1:1/texts", "voice_url": "https://relay.example/calls?x=1"}
    given = ("--webhook-url", addresses["webhook_url"], "--voice-url", addresses["voice_url"])
    with carrier_process("--port", str(port), *given) as (_, url):
        config = httpx.get(f"{url}/control/config", trust_env=False).json()

    assert url == f"http://127.0.0.1:{port}"
    assert config == addresses | {"now_offset_s": 0}


def test_answers_come_at_once_when_a_connection_is_kept() -> None:
    """With Nagle's algorithm on, each of these takes 40 ms."""
    with carrier_process() as (_, url), httpx.Client(base_url=url, auth=(SID, TOKEN), trust_env=False) as http:
        begun = time.monotonic()
        for _ in range(40):
            http.post(MESSAGES, data={"To": ALICE, "From": NUMBER, "Body": "hello"})
        took = time.monotonic() - begun

    assert took < 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal exists on Linux only")
def test_process_ends_when_its_parent_dies() -> None:
    script = f"import subprocess, sys, time; subprocess.Popen({COMMAND!r}); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], env=ENVIRON, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = json.loads(parent.stdout.readline())["url"]
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        parent.kill()

    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", trust_env=False)
        except httpx.TransportError:
            return
        time.sleep(0.02)
    pytest.fail("the carrier outlived its parent")


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        ([], "", "CARRIER_AUTH_TOKEN"),
        (["--account-sid", "AC1"], TOKEN, "--account-sid"),
        (["--webhook-url", "somewhere"], TOKEN, "--webhook-url"),
        (["--ledger", "/nowhere/ledger.jsonl"], TOKEN, "cannot start"),
        (["--port", "70000"], TOKEN, "cannot start"),
    ],
)
def test_process_says_what_is_wrong_when_it_cannot_start(arguments: list[str], token: str, words: str) -> None:
    environ = ENVIRON | {"CARRIER_AUTH_TOKEN": token}
    ended = subprocess.run([*COMMAND, *arguments], env=environ, capture_output=True, text=True, timeout=10, check=False)

    assert ended.returncode in (1, 2)
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_carrier_shares_no_module_with_the_relay_when_it_is_loaded() -> None:
    script = "import sys, relay.sandbox.carrier; print(*[m for m in sys.modules if m.split('.')[0] == 'relay'])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert "relay.sandbox.carrier" in loaded
    assert [name for name in loaded if not re.fullmatch(r"relay(\.sandbox(\.carrier\w*)?)?", name)] == []
