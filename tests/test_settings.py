"""Settings, and the README's table of them: one list, held together here."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from relay.core.errors import BadSettings
from relay.settings import Settings, read_settings

README = Path(__file__).parents[1] / "README.md"
ROW = re.compile(r"^\| `RELAY_([A-Z_]+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
EMPTY = "(empty)"


def rows() -> list[tuple[str, str, str]]:
    """Name, default and meaning of every setting in the README's table."""
    _, _, section = README.read_text(encoding="utf-8").partition("\n## Settings\n")
    return [(name.lower(), default, meaning) for name, default, meaning in ROW.findall(section.partition("\n## ")[0])]


def test_every_setting_is_in_the_readme_once_when_the_table_is_read() -> None:
    assert Counter(name for name, _, _ in rows()) == Counter(list(Settings.model_fields))


def test_every_setting_has_a_description_and_the_readme_repeats_it() -> None:
    described = {name: field.description for name, field in Settings.model_fields.items()}

    assert all(described.values())
    assert {name: meaning for name, _, meaning in rows()} == described


@pytest.mark.parametrize(("name", "default", "_"), rows(), ids=[name for name, _, _ in rows()])
def test_setting_keeps_its_default_when_it_is_set_to_what_the_readme_says(
    name: str, default: str, _: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Settings.model_fields[name].default
    if default == EMPTY:
        assert usual in ("", None)
        return
    monkeypatch.setenv(f"RELAY_{name.upper()}", default.strip("`"))

    assert getattr(read_settings(), name) == usual


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAY_PORT", "secret-value"),
        ("RELAY_PORT", "65536"),
        ("RELAY_PUBLIC_URL", "relay.example/secret-value"),
        ("RELAY_PUBLIC_URL", "https://relay.example/?secret-value"),
        ("RELAY_CARRIER_URL", "https://secret-value.example"),
        ("RELAY_LOG_LEVEL", "secret-value"),
        ("RELAY_ASK_AFTER", "secret-value"),
        ("RELAY_ASK_AFTER", json.dumps(["secret-value"])),
    ],
)
def test_setting_is_named_without_its_value_when_it_is_wrong(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(BadSettings) as refused:
        read_settings()

    assert name.removeprefix("RELAY_") in refused.value.message.upper()
    assert "secret-value" not in refused.value.message


def test_what_is_given_wins_over_the_environment_when_both_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAY_PORT", "8001")

    assert read_settings(port=9000, host=None).port == 9000
    assert read_settings(port=None).port == 8001


def test_addresses_lose_their_last_slash_when_they_are_read() -> None:
    assert read_settings(public_url="https://relay.example/x/").public_url == "https://relay.example/x"


def test_the_defaults_are_the_ones_that_were_decided() -> None:
    """Written down a second time on purpose: a change of a default is a decision, and is seen as one."""
    assert {name: field.default for name, field in Settings.model_fields.items()} == {
        "database_url": "",
        "data_dir": Path("relay-data"),
        "keyring": None,
        "rotate_keys": True,
        "pg_bin": None,
        "public_url": "http://127.0.0.1:8000",
        "host": "127.0.0.1",
        "port": 8000,
        "log_level": "info",
        "database_connections": 16,
        "statement_cache": 512,
        "sockets": 64,
        "send_deadline": 10.0,
        "connect_timeout": 5.0,
        "lease": 6.0,
        "busy_poll": 0.5,
        "idle_poll": 5.0,
        "upkeep_period": 1.0,
        "ask_after": (5.0, 30.0, 90.0),
        "give_up_after": 120.0,
        "abandoned_after": 60.0,
        "redact_after": 60.0,
        "redact_at_latest": 86400.0,
        "request_lease": 30.0,
        "api_rate": 200.0,
        "leg_rate": 30,
        "leg_repeats": 5,
        "person_rate": 60,
        "drain_within": 20.0,
        "loopback_webhooks": False,
        "carrier_url": "",
    }
