"""The embedded server against real PostgreSQL programs: kept rows, kept-out strangers, a log without people in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from relay.core.errors import DataDirectoryRefused, EmbeddedServerFailed
from relay.storage.embedded import EmbeddedServer, find_binaries, start_embedded

pytestmark = pytest.mark.long

Start = partial[EmbeddedServer]

BINARIES = find_binaries()
SOMEBODY_ELSE = 65534


@pytest.fixture(scope="module")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, since that is slow, for tests that leave it in order; the others take a copy, `data_dir`."""
    path = tmp_path_factory.mktemp("made")
    start_embedded(path, binaries=BINARIES).stop()
    return path


@pytest.fixture
def data_dir(shared_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shared_dir, tmp_path / "data")


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    """Shorter than `tmp_path`, as the path of a socket must be."""
    with tempfile.TemporaryDirectory(prefix="relay-test-") as path:
        yield Path(path)


@pytest.fixture
def start(runtime_dir: Path) -> Start:
    return partial(start_embedded, binaries=BINARIES, runtime_dir=runtime_dir)


@pytest.fixture
def bystander() -> Iterator[int]:
    """The pid of a living process of our user that has nothing to do with PostgreSQL."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def socket_folder(server: EmbeddedServer) -> Path:
    return Path(parse_qs(urlsplit(server.dsn).query)["host"][0])


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


async def ask(server: EmbeddedServer, statement: str, *values: object) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(server.dsn)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *values)]
    finally:
        await connection.close()


async def write_a_row(server: EmbeddedServer) -> None:
    await ask(server, "create table kept (word text)")
    await ask(server, "insert into kept values ('here')")


async def test_relay_owns_its_database_when_started_in_an_empty_folder(tmp_path: Path, start: Start) -> None:
    names = ["listen_addresses", "fsync", "full_page_writes", "synchronous_commit", "data_checksums", "max_connections"]
    with start(tmp_path / "new" / "data") as server:
        owner = await ask(
            server,
            "select current_user::text, datname::text, pg_get_userbyid(datdba)::text, "
            "pg_encoding_to_char(encoding)::text from pg_database where datname = current_database()",
        )
        settings = await ask(server, "select current_setting(name) from unnest($1::text[]) as name", names)

    assert owner == [("relay", "relay", "relay", "UTF8")]
    assert settings == [("",), ("on",), ("on",), ("on",), ("on",), ("100",)]


async def test_cluster_is_made_anew_when_the_first_making_was_cut_short(tmp_path: Path, start: Start) -> None:
    half_made = tmp_path / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").touch()

    with start(tmp_path) as server:
        answer = await ask(server, "select 1")

    assert answer == [(1,)]
    assert not half_made.exists()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGQUIT])
async def test_rows_are_kept_when_the_server_is_killed(
    data_dir: Path, start: Start, signal_number: signal.Signals
) -> None:
    server = start(data_dir)
    await write_a_row(server)
    server.kill(signal_number)

    with start(data_dir) as server:
        rows = await ask(server, "select word from kept")

    assert rows == [("here",)]
    assert "automatic recovery in progress" in server.log.read_text()


async def test_server_waits_for_recovery_when_much_has_to_be_redone(data_dir: Path, start: Start) -> None:
    server = start(data_dir, settings={"max_wal_size": "4GB"})
    await ask(server, "create table kept as select n from generate_series(1, 300000) n")
    server.kill()

    with start(data_dir) as server:
        rows = await ask(server, "select count(*) from kept")

    assert rows == [(300000,)]


def test_no_trace_outside_the_shared_directory_is_left_when_stopped(
    shared_dir: Path, start: Start, runtime_dir: Path
) -> None:
    server = start(shared_dir)
    server.stop()
    server.stop()

    assert list(runtime_dir.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_second_start_is_refused_when_a_relay_has_the_folder(shared_dir: Path, start: Start) -> None:
    with (
        start(shared_dir),
        pytest.raises(DataDirectoryRefused) as refusal,
    ):
        start(shared_dir, patience=timedelta())

    assert str(os.getpid()) in refusal.value.message
    assert str(shared_dir) in refusal.value.message


async def test_server_starts_when_another_process_has_the_pid_of_the_one_that_crashed(
    data_dir: Path, start: Start, bystander: int
) -> None:
    """As after a power cut. A pid cannot be forced on a process, so it is replaced wherever the server's was written."""
    server = start(data_dir)
    await write_a_row(server)
    server.kill()
    written = [
        data_dir / "postgres" / "postmaster.pid",
        data_dir / "postgres.lock",
        socket_folder(server) / ".s.PGSQL.5432.lock",
    ]
    for path in written:
        path.write_text(path.read_text().replace(str(server.pid), str(bystander)))

    with start(data_dir) as server:
        rows = await ask(server, "select word from kept")

    assert rows == [("here",)]


def test_postgresql_judges_when_somebody_else_wrote_the_pid_file(data_dir: Path, start: Start, bystander: int) -> None:
    pid_file = data_dir / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{bystander}\n{data_dir}\n1\n5432\n\n\n\n")

    with pytest.raises(EmbeddedServerFailed, match=r'lock file "postmaster\.pid" already exists'):
        start(data_dir)

    assert pid_file.exists()


async def test_server_is_reached_when_the_data_directory_lies_deep(
    shared_dir: Path, tmp_path: Path, start: Start
) -> None:
    deep = shutil.copytree(shared_dir, tmp_path.joinpath(*["a-rather-long-name"] * 8))

    with start(deep, runtime_dir=deep) as server:
        answer = await ask(server, "select 1")
        folder = socket_folder(server)

    assert answer == [(1,)]
    assert folder.parent == Path("/tmp")


def test_nobody_else_can_enter_when_the_server_runs(shared_dir: Path, start: Start, runtime_dir: Path) -> None:
    runtime_dir.chmod(0o755)
    with start(shared_dir) as server:
        modes = {path.name: mode(path) for path in shared_dir.iterdir()}
        folder = socket_folder(server)
        socket_modes = mode(folder), mode(folder / ".s.PGSQL.5432")

    assert modes == {"postgres": 0o700, "postgres.log": 0o600, "postgres.lock": 0o600, "relay.lock": 0o600}
    assert folder.parent == runtime_dir
    assert socket_modes == (0o700, 0o700)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_server_is_apart_from_environment_and_terminal_when_it_runs(shared_dir: Path, start: Start) -> None:
    with start(shared_dir) as server:
        variables = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
        session = os.getsid(server.pid)

    assert {variable.partition(b"=")[0] for variable in variables} == {b"", b"LC_ALL", b"TZ", b"PATH"}
    assert session == server.pid


@pytest.mark.parametrize("trap", ["open to all", "link", "foreign"])
def test_start_is_refused_when_the_socket_folder_was_made_by_others(
    shared_dir: Path, start: Start, runtime_dir: Path, trap: str
) -> None:
    with start(shared_dir) as server:
        folder = socket_folder(server)
    target = runtime_dir / "elsewhere"
    target.mkdir(mode=0o700)
    if trap == "link":
        folder.symlink_to(target)
    else:
        folder.mkdir(mode=0o755 if trap == "open to all" else 0o700)
    if trap == "foreign":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(folder, SOMEBODY_ELSE, SOMEBODY_ELSE)

    with pytest.raises(EmbeddedServerFailed, match="can enter, and it is not"):
        start(shared_dir)


async def test_log_names_no_value_when_a_statement_fails(shared_dir: Path, start: Start) -> None:
    phone = "+12025550123"
    with start(shared_dir) as server:
        await ask(server, "create table once (phone text primary key)")
        await ask(server, "insert into once values ($1)", phone)
        with pytest.raises(asyncpg.UniqueViolationError, match=r"\+12025550123"):
            await ask(server, "insert into once values ($1)", phone)
        with pytest.raises(asyncpg.InvalidTextRepresentationError, match=r"\+12025550123"):
            await ask(server, "select $1::text::uuid", phone)
        with pytest.raises(asyncpg.RaiseError):
            await ask(server, f"do $$ begin raise '{phone}'; end $$")
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await ask(server, f"selekt '{phone}'")

    assert "2025550123" not in server.log.read_text()


async def test_log_names_no_statement_when_a_backend_dies_in_it(shared_dir: Path, start: Start) -> None:
    server = start(shared_dir, settings={"restart_after_crash": "off"})
    with server, pytest.raises((asyncpg.PostgresError, ConnectionError)):
        await ask(server, "copy (select '+12025550123') to program 'kill -9 $PPID'")
    log = server.log.read_text()

    assert "was terminated by signal 9" in log
    assert "2025550123" not in log


def test_error_shows_the_logs_end_and_frees_the_folder_when_the_server_does_not_start(
    shared_dir: Path, start: Start, runtime_dir: Path
) -> None:
    with pytest.raises(EmbeddedServerFailed, match="invalid value for parameter") as failure:
        start(shared_dir, settings={"max_connections": "many"})
    left_behind = list(runtime_dir.iterdir())
    with start(shared_dir, settings={"max_connections": "7"}) as server:
        other_settings = asyncio.run(ask(server, "show max_connections"))

    assert "ended with code 1" in failure.value.message
    assert left_behind == []
    assert other_settings == [("7",)]


def test_error_is_raised_when_the_server_refuses_us(data_dir: Path, start: Start) -> None:
    (data_dir / "postgres" / "pg_hba.conf").write_text("local all all reject\n")

    with pytest.raises(EmbeddedServerFailed, match=r"pg_hba\.conf"):
        start(data_dir)
