"""Credentials of connections: opened for the connection that they were sealed for, also when remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import Tampered
from relay.core.ids import make_id
from relay.vault.credentials import CredentialBox
from relay.vault.keyring import make
from relay.vault.sealing import Sealed, Sealing

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACCOUNT, OTHER_ACCOUNT = UUID(int=1), UUID(int=2)
CONNECTION, OTHER_CONNECTION = make_id(5, NOON, bytes(10)), make_id(6, NOON, bytes(10))
CREDENTIALS = {"account_sid": "AC" + "0" * 32, "auth_token": "a token only for tests"}


@pytest.fixture
def box() -> CredentialBox:
    return CredentialBox(Sealing(make()))


@pytest.fixture
def sealed(box: CredentialBox) -> Sealed:
    return box.seal(ACCOUNT, CONNECTION, CREDENTIALS)


def test_credentials_come_back_when_opened(box: CredentialBox, sealed: Sealed) -> None:
    assert box.open(ACCOUNT, CONNECTION, sealed) == CREDENTIALS
    assert box.open(ACCOUNT, CONNECTION, sealed) == CREDENTIALS


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=4))
def test_credentials_come_back_when_they_are_any_words(credentials: dict[str, str]) -> None:
    """JSON in between: names and values of any script, and lone surrogates too."""
    box = CredentialBox(Sealing(make()))

    assert box.open(ACCOUNT, CONNECTION, box.seal(ACCOUNT, CONNECTION, credentials)) == credentials


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize(
    ("account_id", "connection_id"),
    [(OTHER_ACCOUNT, CONNECTION), (ACCOUNT, OTHER_CONNECTION), (OTHER_ACCOUNT, OTHER_CONNECTION)],
)
def test_credentials_stay_shut_when_they_belong_to_another(
    box: CredentialBox, sealed: Sealed, account_id: UUID, connection_id: UUID, remembered: bool
) -> None:
    """What was opened before is remembered for whom it was opened."""
    if remembered:
        box.open(ACCOUNT, CONNECTION, sealed)

    with pytest.raises(Tampered):
        box.open(account_id, connection_id, sealed)


@pytest.mark.parametrize("remembered", [False, True])
def test_credentials_stay_shut_when_they_were_changed(box: CredentialBox, sealed: Sealed, remembered: bool) -> None:
    if remembered:
        box.open(ACCOUNT, CONNECTION, sealed)

    for changed in (
        replace(sealed, data=sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])),
        replace(sealed, data=b""),
        replace(sealed, key_id=2),
    ):
        with pytest.raises(Tampered):
            box.open(ACCOUNT, CONNECTION, changed)


def test_new_credentials_are_opened_when_they_replaced_remembered_ones(box: CredentialBox, sealed: Sealed) -> None:
    box.open(ACCOUNT, CONNECTION, sealed)
    renewed = box.seal(ACCOUNT, CONNECTION, CREDENTIALS | {"auth_token": "another"})

    assert box.open(ACCOUNT, CONNECTION, renewed)["auth_token"] == "another"
    assert box.open(ACCOUNT, CONNECTION, sealed)["auth_token"] == CREDENTIALS["auth_token"]


def test_another_installation_cannot_open_when_it_has_only_the_row(sealed: Sealed) -> None:
    with pytest.raises(Tampered):
        CredentialBox(Sealing(make())).open(ACCOUNT, CONNECTION, sealed)


def test_nothing_shows_when_sealed_credentials_are_looked_at(box: CredentialBox, sealed: Sealed) -> None:
    box.open(ACCOUNT, CONNECTION, sealed)

    assert CREDENTIALS["auth_token"].encode() not in sealed.data
    assert CREDENTIALS["auth_token"] not in f"{box!r} {sealed!r}"
