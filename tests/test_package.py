"""What is installed is what is here."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_folder_of_code_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    here = {".".join(found.parent.relative_to(ROOT).parts) for found in (ROOT / "relay").rglob("__init__.py")}

    assert set(project["tool"]["setuptools"]["packages"]) == here | {"relay.sql"}
