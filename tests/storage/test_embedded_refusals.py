"""Data directories that the embedded server does not touch, each refused before a server is started."""

from __future__ import annotations

import asyncio
import fcntl
import os
from datetime import timedelta
from pathlib import Path

import pytest

from relay.core.errors import DataDirectoryRefused
from relay.storage.embedded import find_binaries, start_embedded

BINARIES = find_binaries()
SOMEBODY_ELSE = 65534


def test_start_is_refused_when_an_earlier_server_does_not_end(tmp_path: Path) -> None:
    with (tmp_path / "postgres.lock").open("w") as lock_of_the_earlier:
        lock_of_the_earlier.write("4711")
        lock_of_the_earlier.flush()
        fcntl.flock(lock_of_the_earlier, fcntl.LOCK_EX)

        with pytest.raises(DataDirectoryRefused, match="kill -QUIT 4711"):
            start_embedded(tmp_path, binaries=BINARIES, patience=timedelta(milliseconds=50))


def test_start_is_refused_when_the_folder_belongs_to_another_user(tmp_path: Path) -> None:
    foreign = tmp_path if os.geteuid() == 0 else Path("/")
    if os.geteuid() == 0:
        os.chown(tmp_path, SOMEBODY_ELSE, SOMEBODY_ELSE)

    with pytest.raises(DataDirectoryRefused, match="belongs to another user"):
        start_embedded(foreign, binaries=BINARIES)


def test_start_is_refused_when_others_can_change_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)

    with pytest.raises(DataDirectoryRefused, match="chmod go-w"):
        start_embedded(tmp_path, binaries=BINARIES)


def test_start_is_refused_when_a_file_lies_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(DataDirectoryRefused, match="cannot be made"):
        start_embedded(tmp_path / "data", binaries=BINARIES)


def test_start_is_refused_when_another_version_made_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(DataDirectoryRefused, match=r"made by PostgreSQL 12.*RELAY_PG_BIN.*version 12"):
        start_embedded(tmp_path, binaries=BINARIES)


def test_start_is_refused_when_something_else_lies_in_the_clusters_place(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()

    with pytest.raises(DataDirectoryRefused, match="is not a PostgreSQL cluster"):
        start_embedded(tmp_path, binaries=BINARIES)


async def test_start_is_refused_when_not_in_the_main_thread(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(start_embedded, tmp_path, binaries=BINARIES)
