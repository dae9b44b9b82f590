"""The files of a pack, in a folder or in a zip, opened by name and read as streams. Nothing is ever unpacked: a name in a zip
leads nowhere.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from relay.core.errors import EvidenceRefused
from relay.core.pack import LONGEST_FILE

#: What a damaged disk, a damaged zip or one that plays tricks makes Python raise.
_UNREADABLE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError)
_CHUNK = 1 << 20
#: A zip of a pack has a dozen files; one with a million names is an attack on our memory.
_MOST_FILES = 100


class Files(Protocol):
    """The files of one pack."""

    def names(self) -> list[str]:
        """All that is there, whether it belongs or not; a name that is there twice comes twice."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A file to read from its beginning on."""
        ...


class Folder:
    """A pack in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        return sorted(found.name for found in self._path.iterdir())

    def open(self, name: str) -> BinaryIO:
        found = self._path / name
        if not stat.S_ISREG(found.lstat().st_mode):  # a pipe would wait for ever, a link leads out of the pack
            raise EvidenceRefused(f"{name} is no file", code="pack_refused")
        return found.open("rb")


class Zip:
    """A pack in a zip."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> list[str]:
        return sorted(found.filename for found in self._archive.infolist())

    def open(self, name: str) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", self._archive.open(name)), _CHUNK))


@contextmanager
def open_pack(path: Path) -> Iterator[Files]:
    """The files of the pack at this path. Raises EvidenceRefused when there is none, or when it cannot be read."""
    with readable(str(path)):
        if path.is_dir():
            yield Folder(path)
            return
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > _MOST_FILES:
                raise EvidenceRefused(f"{path} is no pack: it has too many files", code="pack_refused")
            yield Zip(archive)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn whatever reading raises into EvidenceRefused with the name of what cannot be read."""
    try:
        yield
    except EvidenceRefused:
        raise
    except KeyError:
        raise EvidenceRefused(f"{what} is missing", code="pack_refused") from None
    except _UNREADABLE as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged, or no pack"
        raise EvidenceRefused(f"{what} cannot be read: {why}", code="pack_refused") from None


def chunks(files: Files, name: str) -> Iterator[bytes]:
    """A whole file, piece by piece. Raises EvidenceRefused."""
    with readable(name), files.open(name) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def small(files: Files, name: str) -> bytes:
    """A whole small file. Raises EvidenceRefused, also when it is not small."""
    with readable(name), files.open(name) as stream:
        found = stream.read(LONGEST_FILE + 1)
    if len(found) > LONGEST_FILE:
        raise EvidenceRefused(f"{name} is too long", code="pack_refused")
    return found
