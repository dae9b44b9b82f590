"""Settings: the environment, read once, into one frozen value. Nothing else in Relay reads the environment.

``Settings`` is the list of all of them; the README shows the same list as a table, and a test holds the two together.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from relay.core.errors import BadSettings


def _is_web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be http:// or https:// with a host, and no query")
    return value.rstrip("/")


def _is_loopback(value: str) -> str:
    if value and urlsplit(_is_web_address(value)).hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ValueError("must be an address of this machine: real providers' addresses cannot be replaced")
    return value.rstrip("/")


class Settings(BaseSettings):
    """Every setting, as ``RELAY_<NAME>`` in the environment. Durations in seconds."""

    model_config = SettingsConfigDict(env_prefix="RELAY_", frozen=True, extra="ignore")

    database_url: str = Field("", description="PostgreSQL to use; empty = an embedded server in the data directory")
    data_dir: Path = Field(Path("relay-data"), description="Where the embedded server and the first keyring live")
    keyring: Path | None = Field(None, description="The keyring file; empty = keyring.json in the data directory")
    rotate_keys: bool = Field(
        True, description="Make and destroy the keys of weeks and days; false where machines have copies of the keyring"
    )
    pg_bin: Path | None = Field(None, description="Folder with initdb and postgres for the embedded server")
    public_url: Annotated[str, AfterValidator(_is_web_address)] = Field(
        "http://127.0.0.1:8000", description="Where providers reach this installation; part of every signature"
    )
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 = any free one")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")
    database_connections: int = Field(16, ge=4, le=200, description="Connections to PostgreSQL, for each process")
    statement_cache: int = Field(
        512, ge=0, description="Prepared statements kept; 0 behind PgBouncer in transaction mode"
    )
    sockets: int = Field(64, ge=1, le=1000, description="Sends that wait for a provider at once, for each process")
    send_deadline: float = Field(10.0, gt=0, description="Longest wait for a provider's whole answer")
    connect_timeout: float = Field(5.0, gt=0, description="Longest wait for a connection to a provider")
    lease: float = Field(6.0, ge=0.4, description="How long a process owns a bucket without renewing")
    busy_poll: float = Field(0.5, gt=0, description="Between looks into a bucket with waiting texts")
    idle_poll: float = Field(5.0, gt=0, description="Between looks into a bucket without any")
    upkeep_period: float = Field(1.0, gt=0, le=5, description="Between rounds of expiry, cool-down and deadlines")
    ask_after: tuple[float, ...] = Field((5.0, 30.0, 90.0), description="When to ask after an ambiguous send, as JSON")
    give_up_after: float = Field(120.0, gt=0, description="When an ambiguous send is parked")
    abandoned_after: float = Field(60.0, gt=0, description="When a send without an outcome counts as ambiguous")
    redact_after: float = Field(
        60.0, gt=0, description="When a carrier is told to delete a text, after its last word on it"
    )
    redact_at_latest: float = Field(86400.0, gt=0, description="When it is told where that word never comes")
    request_lease: float = Field(30.0, ge=1, description="When a POST whose process died may be done again")
    api_rate: float = Field(200.0, gt=0, description="API requests per second, for each key and process")
    leg_rate: int = Field(
        30, ge=0, le=1000, description="Texts a minute to one person of a session; more of them are parked; 0 = any"
    )
    leg_repeats: int = Field(
        5,
        ge=0,
        le=100,
        description="The how many-th of the same text within a minute is parked; 0 = none; 1 and 2 are alike",
    )
    person_rate: int = Field(
        60,
        ge=0,
        le=10_000,
        description="Texts a minute from one person over all numbers of a pool; more are parked; 0 = any",
    )
    drain_within: float = Field(20.0, gt=0, description="Longest wait for sends under way when stopping")
    loopback_webhooks: bool = Field(
        False, description="Also post webhooks to plain http addresses of this machine; for tests and trials"
    )
    carrier_url: Annotated[str, AfterValidator(_is_loopback)] = Field(
        "", description="A simulated carrier on this machine, in place of every provider; for tests and trials"
    )

    @model_validator(mode="after")
    def _connecting_ends_first(self) -> Self:
        """Otherwise a wait for a connection could not be told from a wait for an answer, and only the first is harmless."""
        if self.connect_timeout >= self.send_deadline:
            raise ValueError("RELAY_CONNECT_TIMEOUT must be less than RELAY_SEND_DEADLINE")
        return self

    @property
    def keyring_path(self) -> Path:
        return self.keyring or self.data_dir / "keyring.json"


def read_settings(**given: object) -> Settings:
    """The settings of this process; ``given`` values (from the command line) win over the environment.

    Raises BadSettings that names each setting that is wrong and says what would be right, without its value.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**chosen)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        raise BadSettings("; ".join(_said(e["loc"], e["msg"]) for e in error.errors())) from None
    except ValueError as error:  # pydantic-settings: a value that should be JSON and is not
        named = "".join(str(error).split('"')[1:2]).upper()
        raise BadSettings(f"RELAY_{named}: must be JSON, such as [5, 30, 90]") from None


def _said(location: tuple[int | str, ...], message: str) -> str:
    words = message.removeprefix("Value error, ")
    return f"RELAY_{str(location[0]).upper()}: {words}" if location else words


def runtime_dir() -> Path | None:
    """The login session's private folder, where there is one."""
    value = os.environ.get("XDG_RUNTIME_DIR")
    return Path(value) if value else None


def for_child(**changed: str) -> dict[str, str]:
    """The environment of a process of ours that shall have the same settings, but for these variables."""
    return {**os.environ, **changed}
