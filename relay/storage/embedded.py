"""A PostgreSQL server of Relay's own, for a machine that has none: prepared, started and stopped here.

It is a direct child, reachable only through a Unix socket in a folder that nobody else may enter; that folder is what
makes access without a password acceptable. Everything blocks: it happens before the event loop starts, and after it.
No table is known here, and where things lie is given, not read from the environment.

The dangers: personal data in the server's log (`_SETTINGS`), and two servers on one cluster. Against the latter stand
two locks on open files: `relay.lock` is held by one Relay, `postgres.lock` by every process of its server, which may
need a moment longer to end.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import quote

from relay.core.errors import DataDirectoryRefused, EmbeddedServerFailed
from relay.storage.postgres_programs import Launch, RunAs, choose_user, end, find_binaries, major_version

__all__ = ["EmbeddedServer", "find_binaries", "start_embedded"]

# Given on the command line, where neither a file of the cluster nor ALTER SYSTEM undoes them.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # An ERROR can quote a value ("invalid input syntax"), its DETAIL a row, its STATEMENT a literal. The client hears
    # all of that; the log hears of the server itself alone (for this setting LOG and FATAL rank above ERROR).
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_destination": "stderr",
    "logging_collector": "off",
}
_PORT = 5432  # no port is opened: it only names the socket's file
_LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # sun_path less its final zero: unix(7), unix(4)
_PROTOCOL_3 = 196608
_CANNOT_CONNECT_NOW = b"C57P03\0"


class EmbeddedServer:
    """A running server and the locks that keep it alone; made by `start_embedded`, stopped at the end of its `with`.

    `dsn` is what asyncpg and libpq connect to, `pid` the server's first process, `log` the file that it writes.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, sockets: Path, log: Path, held: ExitStack) -> None:
        self.dsn = f"postgresql://relay@/relay?host={quote(str(sockets))}&port={_PORT}"
        self.pid = process.pid
        self.log = log
        self._process = process
        self._held = held

    def stop(self) -> None:
        """End every connection, write everything down, wait until the server is gone. Harmless when it is already."""
        end(self._process)
        self._held.close()

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """End the server at once, as a crash would (SIGKILL) or by PostgreSQL's own emergency stop (SIGQUIT)."""
        self._process.send_signal(signal_number)
        self._process.wait()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_embedded(
    data_dir: Path,
    *,
    binaries: Path,
    runtime_dir: Path | None = None,
    settings: Mapping[str, str] | None = None,
    patience: timedelta = timedelta(seconds=60),
) -> EmbeddedServer:
    """Start the server of `data_dir`, made on first use with the database `relay`, and wait until it takes connections.

    `runtime_dir` is the login session's private folder ($XDG_RUNTIME_DIR), if there is one; `settings` override ours;
    `patience` is how long the server of an earlier run may take to end. Recovery after a crash takes what it takes.
    Must be called from the main thread: on Linux the server ends with the thread that started it.

    Raises DataDirectoryRefused, EmbeddedServerFailed.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start_embedded must be called from the main thread")
    data_dir = _prepare_data_dir(data_dir)
    with ExitStack() as held:
        _hold_relay_lock(data_dir, held)
        lock = _hold_server_lock(data_dir, held, patience=patience)
        log = _open_private(data_dir / "postgres.log", held)
        run_as = _choose_user(data_dir, binaries)
        launch = Launch(binaries=binaries, run_as=run_as, log=log, lock=lock)
        _prepare_cluster(data_dir / "postgres", launch)
        sockets = _prepare_sockets(data_dir, run_as, runtime_dir=runtime_dir)
        held.callback(_remove_if_empty, sockets)
        _forget_dead_server(data_dir / "postgres", sockets, lock=lock)
        process = _start_server(data_dir / "postgres", launch, sockets=sockets, settings=settings or {})
        return EmbeddedServer(process, sockets=sockets, log=data_dir / "postgres.log", held=held.pop_all())


def _prepare_data_dir(path: Path) -> Path:
    path = path.resolve()
    try:
        # Root's folder can be passed through, not listed: its server may have to run as another user.
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirectoryRefused(f"{path} cannot be made: {error.strerror}. Use another data directory.") from error
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise DataDirectoryRefused(f"{path} belongs to another user: run Relay as that user, or use another folder.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DataDirectoryRefused(f"Other users can change {path}: chmod go-w {path}")
    return path


def _open_private(path: Path, held: ExitStack) -> int:
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    held.callback(os.close, opened)
    return opened


def _hold_relay_lock(data_dir: Path, held: ExitStack) -> None:
    lock = _open_private(data_dir / "relay.lock", held)
    if not _lock_now(lock):
        raise DataDirectoryRefused(
            f"The Relay with process id {_noted(lock)} is using {data_dir}: stop it, or use another data directory."
        )
    _note(lock, os.getpid())


def _hold_server_lock(data_dir: Path, held: ExitStack, *, patience: timedelta) -> int:
    lock = _open_private(data_dir / "postgres.lock", held)
    until = time.monotonic() + patience.total_seconds()
    while not _lock_now(lock):
        if time.monotonic() > until:
            raise DataDirectoryRefused(
                f"The PostgreSQL server of an earlier run is still using {data_dir}: end it with "
                f"kill -QUIT {_noted(lock)} (what it has committed is kept)."
            )
        time.sleep(0.02)
    return lock


def _lock_now(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _note(lock: int, pid: int) -> None:
    os.ftruncate(lock, 0)
    os.write(lock, b"%d" % pid)
    os.fsync(lock)


def _noted(lock: int) -> str:
    return os.pread(lock, 20, 0).decode() or "unknown"


def _choose_user(data_dir: Path, binaries: Path) -> RunAs:
    cluster = data_dir / "postgres"
    owner = cluster.stat().st_uid if cluster.exists() else None
    run_as = choose_user(binaries, data_dir, owner=owner)
    if owner not in {None, run_as.uid}:
        raise DataDirectoryRefused(
            f"{cluster} belongs to user id {owner}, but its server has to run as user id {run_as.uid}: "
            f"run Relay as the owner, or hand it over with chown -R {run_as.uid} {cluster}"
        )
    return run_as


def _prepare_cluster(cluster: Path, launch: Launch) -> None:
    version = major_version(launch.binaries)
    if not cluster.exists():
        _make_cluster(cluster, launch)
        return
    try:
        made_by = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise DataDirectoryRefused(f"{cluster} is not a PostgreSQL cluster: move it away.") from None
    if made_by != version:
        raise DataDirectoryRefused(
            f"{cluster} was made by PostgreSQL {made_by}, but {launch.binaries} holds version {version}: set "
            f"RELAY_PG_BIN to the folder of version {made_by}, or carry the data over with pg_dump or pg_upgrade."
        )


def _make_cluster(cluster: Path, launch: Launch) -> None:
    """Under another name until it has its database and is on the disk: under its own it is always whole."""
    fresh = cluster.with_name("postgres.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    _make_private_folder(fresh, launch.run_as)
    form = ("--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions")
    launch.finish("initdb", f"--pgdata={fresh}", "--username=relay", "--auth-local=trust", "--auth-host=reject", *form)
    # Single-user mode would carry on after an error.
    single = ("--single", "-D", str(fresh), "-c", "exit_on_error=on", "postgres")
    launch.finish("postgres", *single, typed=b"create database relay owner relay\n")
    fresh.rename(cluster)
    folder = os.open(cluster.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _make_private_folder(path: Path, run_as: RunAs) -> None:
    path.mkdir(mode=0o700)
    if run_as.is_other:
        os.chown(path, run_as.uid, run_as.gid)


def _prepare_sockets(data_dir: Path, run_as: RunAs, *, runtime_dir: Path | None) -> Path:
    """The folder for the server's socket, always the same for a data directory. Raises EmbeddedServerFailed."""
    name = f"relay-{os.geteuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
    folder = Path("/tmp") / name  # noqa: S108 - open to all, hence the check below; anywhere else may be too long
    if runtime_dir is not None and runtime_dir.is_dir() and not run_as.is_other:
        private = runtime_dir.absolute() / name
        folder = private if len(os.fsencode(_socket_in(private))) <= _LONGEST_SOCKET_PATH else folder
    with suppress(FileExistsError):
        _make_private_folder(folder, run_as)
    found = folder.lstat()
    if (found.st_uid, found.st_mode) != (run_as.uid, stat.S_IFDIR | 0o700):
        raise EmbeddedServerFailed(
            f"{folder} has to be a folder that only user id {run_as.uid} can enter, and it is not: "
            "find out who made it, and remove it."
        )
    return folder


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # what a crash leaves in it is for the next server to clear away
        folder.rmdir()


def _socket_in(folder: Path) -> Path:
    return folder / f".s.PGSQL.{_PORT}"


def _forget_dead_server(cluster: Path, sockets: Path, *, lock: int) -> None:
    """Remove the pid files that our own last server left when it crashed.

    PostgreSQL does not start while any process of its user has the pid in such a file, and after a power cut another
    process easily has. Whoever holds `postgres.lock` knows better: the server whose pid is noted in it is gone. A file
    with another pid, of a server started by hand, is left for PostgreSQL to judge.
    """
    for path in (cluster / "postmaster.pid", sockets / f"{_socket_in(sockets).name}.lock"):
        if path.exists() and path.read_text().partition("\n")[0].strip() == _noted(lock):
            path.unlink()


def _start_server(
    cluster: Path, launch: Launch, *, sockets: Path, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    options = [f"--{name}={value}" for name, value in {**_SETTINGS, **settings}.items()]
    process = launch.spawn("postgres", "-D", str(cluster), "-k", str(sockets), "-p", str(_PORT), *options)
    try:
        _note(launch.lock, process.pid)
        while not _takes_connections(_socket_in(sockets)):
            if process.poll() is not None:
                raise launch.failure(f"the server ended with code {process.returncode} before it took connections")
            time.sleep(0.01)
    except BaseException:
        end(process)
        raise
    return process


def _takes_connections(path: Path) -> bool:
    """Ask as a client would, with a start-up message of protocol 3.0 (PostgreSQL manual, "Message Formats").

    Raises EmbeddedServerFailed for any refusal but "not yet".
    """
    wanted = b"user\0relay\0database\0relay\0\0"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
            client.sendall(struct.pack("!ii", 8 + len(wanted), _PROTOCOL_3) + wanted)
            answer = client.recv(1000)
        except OSError:
            return False
    if answer.startswith(b"E") and _CANNOT_CONNECT_NOW not in answer:
        raise EmbeddedServerFailed("PostgreSQL refuses Relay's connections: was pg_hba.conf in the cluster changed?")
    return answer.startswith(b"R")
