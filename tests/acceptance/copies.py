"""Copies of a PostgreSQL server's files as a backup takes them, and what stands in files, byte for byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from relay.storage.embedded import EmbeddedServer, find_binaries
from tests.acceptance.canary import Canary


def binaries() -> Path:
    """Where PostgreSQL's programs are, for tests."""
    return find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)


def base_backup(server: EmbeddedServer, into: Path) -> None:
    """Copy a running server into a data directory from which another one can be started, with the log that it needs."""
    into.mkdir()
    cluster = into / "postgres"
    command = [str(binaries() / "pg_basebackup"), f"--dbname={server.dsn}", f"--pgdata={cluster}"]
    done = subprocess.run([*command, "--wal-method=stream", "--checkpoint=fast"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    owner = (server.log.parent / "postgres").stat()
    if owner.st_uid != cluster.stat().st_uid:  # the server runs as somebody else than we do
        for path in (cluster, *cluster.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@dataclass(slots=True)
class Look:
    """What a canary found in files, by path; in how many files and bytes it looked."""

    found: dict[str, list[str]] = field(default_factory=dict)
    files: int = 0
    size: int = 0


def look_through(canary: Canary, *folders: Path) -> Look:
    """Look into every file, whatever it is; into those that are byte for byte the same, once. A running server may remove some
    meanwhile."""
    look, known = Look(), set()
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            look.files, look.size = look.files + 1, look.size + len(content)
            digest = hashlib.sha256(content).digest()
            if digest not in known and (found := canary.finds(content.decode("latin-1"))):
                look.found[str(path)] = found
            known.add(digest)
    return look
