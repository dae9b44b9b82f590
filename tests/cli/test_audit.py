"""``relay audit`` as an auditor has it: no database, no keyring, no settings; a pack or an address, and a key."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.core.notes import parse_checkpoint, parse_key, parse_note, proven
from relay.core.witnessing import check_fork, parse_fork
from relay.evidence.writing import zip_pack
from relay.vault.log_keys import verify
from tests.cli.command import Command
from tests.evidence.logs import KEY, LogKey, entry_at, made_of, witness_named, write_pack
from tests.evidence.served_log import API_KEY, Site, serving

pytestmark = pytest.mark.long

VKEY = KEY.public.written()
#: Settings with which every command fails that reads them.
RELAY = Command({"RELAY_DATABASE_URL": "nonsense", "RELAY_KEYRING": "/nowhere", "RELAY_WORKERS": "none"})


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(made_of(300)) as site:
        yield site


@pytest.fixture
def api_key(tmp_path: Path) -> str:
    (tmp_path / "api-key").write_text(API_KEY + "\n")
    return str(tmp_path / "api-key")


def test_a_pack_is_verified_in_a_process_of_its_own(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", made_of(300))
    zip_pack(folder, tmp_path / "pack.zip")

    done = RELAY("audit", "verify", str(tmp_path / "pack.zip"), "--key", VKEY)

    assert (done.code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [
        *("ok    files", "ok    signature", "ok    keys", "ok    contents", "ok    tree", "ok    entries"),
        *("ok    table", "ok    times", "ok    retention"),
    ]
    assert lines[-1].startswith("verified: 300 entries in ")


def test_what_is_wrong_is_named_when_a_pack_was_altered(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", made_of(300))
    text = (folder / "entries.jsonl").read_text()
    (folder / "entries.jsonl").write_text(text.replace("12:00:07Z", "12:00:06Z"))

    done = RELAY.inside("audit", "verify", str(folder), "--key", VKEY)

    assert done.code == 1
    assert [line for line in done.stdout.splitlines() if not line.startswith("ok")][:-1] == [
        "FAIL  files: entries.jsonl: it is not the file that SHA256SUMS:4 lists",
        "FAIL  entries: entries.jsonl:8: entry 7 is not what stands in the tree",
        "FAIL  table: entries.csv:9: it does not tell what entries.jsonl tells",
    ]
    assert done.stdout.splitlines()[-1].startswith("NOT VERIFIED: ")


def test_a_bar_is_shown_on_a_terminal_alone(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", made_of(3))

    assert "3/3" in RELAY.on_terminal("audit", "verify", str(folder), "--key", VKEY).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "/nowhere", "--key", VKEY), "/nowhere cannot be read: No such file or directory"),
        (("verify", "/nowhere", "--key", "nonsense"), "a key is name+id+base64"),
        (("verify", "http://127.0.0.1:9/", "--key", VKEY), "the log did not answer (ClientConnectorError)"),
        (
            ("verify", "http://127.0.0.1:9/?x=1", "--key", VKEY),
            "a log's address is like https://relay.example/v1/audit",
        ),
        (("verify", "http://127.0.0.1:9/", "--key", VKEY, "--seen", "/nowhere"), "/nowhere is not there"),
        (
            ("witness", "http://127.0.0.1:9/", "--key", VKEY, "--state", "/nowhere/state"),
            "/nowhere/state: No such file or directory",
        ),
        (("witness", "--make-key", "/nowhere/key", "--name", "a"), "/nowhere/key: No such file or directory"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    assert RELAY.inside("audit", *arguments).refusal == f"relay: {said}"


def test_a_served_log_is_verified_against_what_was_seen(site: Site, api_key: str, tmp_path: Path) -> None:
    (tmp_path / "seen").write_text(site.log.head(200).written())
    site.busy = 2

    done = RELAY.inside(
        "audit", "verify", site.url, "--key", VKEY, "--api-key", api_key, "--seen", str(tmp_path / "seen")
    )

    assert done.code == 0, done
    assert "ok    growth: the 200 entries seen earlier are still its beginning" in done.stdout


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ((200, "text/html; charset=utf-8", b"<html>"), "a page for people when it was asked for checkpoint"),
        ((302, "text/plain", b""), "the log answered 302 when it was asked for checkpoint"),
        ((500, "text/plain", b""), "the log answered 500 when it was asked for checkpoint"),
        ((401, "text/plain", b""), "the log answered 401: it wants an API key with scope audit (--api-key FILE)"),
        ((200, "text/plain", b"x" * 200_000), "the log answered with too much when it was asked for checkpoint"),
        ((404, "text/plain", b""), "there is no checkpoint at this address"),
        ((200, "text/plain", b"hello\n"), "a note is a text, an empty line, and lines that sign it"),
    ],
)
def test_an_answer_that_is_none_is_told_in_one_line(
    site: Site, tmp_path: Path, instead: tuple[int, str, bytes], said: str
) -> None:
    site.instead = instead

    done = RELAY.inside("audit", "witness", site.url, "--key", VKEY, "--state", str(tmp_path / "state"))

    assert said in done.refusal
    assert not (tmp_path / "state").exists()


def test_a_log_that_stays_busy_is_left(site: Site, tmp_path: Path) -> None:
    site.busy = 1_000

    done = RELAY.inside("audit", "witness", site.url, "--key", VKEY, "--state", str(tmp_path / "state"))

    assert done.refusal == "relay: the log is too busy: it answered 429 8 times"


def test_a_witness_keeps_cosigns_and_refuses(site: Site, api_key: str, tmp_path: Path) -> None:
    """The whole life: a key, a first look, growth, a fork with its proof."""
    state, key = tmp_path / "state", tmp_path / "key"
    made = RELAY.inside("audit", "witness", "--make-key", str(key), "--name", "auditor.example/w")
    witness = parse_key(made.stdout.strip())
    look = (
        "audit",
        "witness",
        site.url,
        "--key",
        VKEY,
        "--state",
        str(state),
        "--api-key",
        api_key,
        "--sign",
        str(key),
    )

    first = RELAY(*look)
    site.log.add(map(entry_at, range(300, 600)))
    second = RELAY.inside(*look)
    cosigned = parse_note((tmp_path / "state.cosigned").read_text())
    site.log = made_of(700)
    site.log.keys = (LogKey("a forger's key"),)
    forged = RELAY.inside(*look)
    site.log = made_of(0)
    site.log.add(map(entry_at, range(1, 702)))
    forked = RELAY.inside(*look)

    assert first.stdout.startswith("first look: 300 entries; there was nothing to compare them with; cosigned into ")
    assert second.stdout.startswith("grown from 300 to 600 entries; nothing before that was altered; cosigned into ")
    assert proven(cosigned, [witness], verify)
    assert parse_note(site.handed_in[-1]) == cosigned
    assert len(site.handed_in) == 2
    assert second.stdout.endswith("handed in: the log shows that it was witnessed\n")
    assert forged.refusal == "relay: no key that is trusted here has signed this"
    assert "the log has two stories; proof: " in forked.refusal
    (proof,) = tmp_path.glob("state.fork-*")
    check_fork(parse_fork(proof.read_text()), [KEY.public], verify)
    assert parse_checkpoint(parse_note(state.read_text()).text).size == 600


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            (422, b'{"errors": [{"code": "unknown_witness", "message": "\\u001b[2J"}]}'),
            "the log does not know this witness; its operator adds the key with `relay audit witness-key add`",
        ),
        ((422, b'{"errors": [{"code": "dated_ahead"}]}'), "the log answered 422 (dated_ahead)"),
        ((500, b'{"errors": [{"code": "\\u001b[2J"}]}'), "the log answered 500"),
        ((302, b"<html>"), "the log answered 302"),
    ],
)
def test_a_cosignature_that_is_not_taken_is_no_failure_unless_it_had_to_be(
    site: Site, api_key: str, tmp_path: Path, refusal: tuple[int, bytes], said: str
) -> None:
    site.refusal, key = refusal, tmp_path / "key"
    RELAY.inside("audit", "witness", "--make-key", str(key), "--name", "auditor.example/w")
    look = ("audit", "witness", site.url, "--key", VKEY, "--state", str(tmp_path / "state"), "--sign", str(key))

    by_itself = RELAY.inside(*look, "--api-key", api_key)
    wanted = RELAY.inside(*look, "--api-key", api_key, "--send")
    silent = RELAY.inside(*look, "--api-key", api_key, "--no-send")
    without = RELAY.inside(*look, "--send")

    assert (by_itself.code, by_itself.stderr) == (0, f"not handed in: {said}\n")
    assert (wanted.code, wanted.stderr) == (1, f"relay: not handed in: {said}\n")
    assert (silent.code, silent.stderr) == (0, "")
    assert without.code == 2
    assert len(site.handed_in) == 2
    assert (tmp_path / "state.cosigned").exists()


def test_a_pack_is_held_against_what_a_witness_has_signed(tmp_path: Path) -> None:
    log, witness = made_of(30), witness_named("ann.example/w").public.written()
    cosigned = witness_named("ann.example/w").under(log.head(20), 1_700_000_000)
    folder = write_pack(tmp_path / "pack", log, cosigned=cosigned)
    check = ("audit", "verify", str(folder), "--key", VKEY)

    told, unasked = RELAY.inside(*check, "--witness", witness), RELAY.inside(*check)
    wrong = RELAY.inside(*check, "--witness", VKEY)

    signed = "ok    witness: 20 entries begin as ann.example/w at 2023-11-14T22:13:20Z has signed them"
    assert (told.code, unasked.code) == (0, 0)
    assert signed in told.stdout.splitlines()
    assert wrong.refusal == "relay: this is a log's key, not a witness's"


def test_a_witness_s_key_is_its_owner_s_alone_and_never_written_over(tmp_path: Path) -> None:
    key = tmp_path / "key"
    make = ("audit", "witness", "--make-key", str(key), "--name", "auditor.example/w")

    assert RELAY.inside(*make).code == 0
    before = key.read_bytes()

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "File exists" in RELAY.inside(*make).refusal
    assert key.read_bytes() == before
