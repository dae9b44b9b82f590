"""What docs/webhooks.md says is so: its sample verifies what we sign, and it names every type of event."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.core import signing
from relay.core.webhooks import EVENT_TYPES

PAGE = (Path(__file__).parents[1] / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECRET, FORMER = signing.secret_of(bytes(range(32))), signing.secret_of(bytes(32))
BODY = b'{"type":"session.closed"}'


def sample(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def is_from_relay() -> Callable[..., bool]:
    names: dict[str, Any] = {}
    exec(sample("python"), names)
    return names["is_from_relay"]  # type: ignore[no-any-return]  # the page says what it is


def test_the_sample_takes_what_we_sign_and_nothing_else_when_it_is_run(is_from_relay: Callable[..., bool]) -> None:
    now = datetime.now(tz=UTC)
    both = signing.headers([SECRET, FORMER], "evt_a", now, BODY)

    assert [is_from_relay(secret, both, BODY) for secret in (SECRET, FORMER)] == [True, True]
    assert not is_from_relay(SECRET, both, BODY + b" ")
    assert not is_from_relay(signing.secret_of(bytes([1] * 32)), both, BODY)
    assert not is_from_relay(SECRET, signing.headers([SECRET], "evt_a", now - timedelta(minutes=6), BODY), BODY)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
def test_the_other_sample_takes_what_we_sign_and_nothing_else_when_it_is_run(tmp_path: Path) -> None:
    headers = signing.headers([FORMER, SECRET], "evt_a", datetime.now(tz=UTC), BODY)
    asks = "".join(
        f"console.log(isFromRelay({secret!r}, {headers!r}, Buffer.from({body.decode()!r})));\n"
        for secret, body in ((SECRET, BODY), (FORMER, BODY), (SECRET, BODY + b" "))
    )
    script = tmp_path / "sample.mjs"
    script.write_text(sample("js") + asks)
    said = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=20, check=True)

    assert said.stdout.split() == ["true", "true", "false"]


def test_every_type_of_event_is_named_when_the_page_is_read() -> None:
    listed = PAGE.partition("<!-- every type that there is -->")[2].partition("<!-- until here -->")[0]
    named = {
        f"{family}.{word}" for family, words in re.findall(r"`(\w+)\.([\w|]+)`", listed) for word in words.split("|")
    }

    assert named == EVENT_TYPES
