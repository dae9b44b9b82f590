"""The vault as services see it: one keyring and what is made from it."""

from __future__ import annotations

from dataclasses import dataclass

from relay.vault.codes import Codes
from relay.vault.credentials import CredentialBox
from relay.vault.endpoint_box import EndpointBox
from relay.vault.envelopes import Envelopes
from relay.vault.hook_box import HookBox
from relay.vault.keyring import Keyring
from relay.vault.log_keys import LogKeys
from relay.vault.party_index import PartyIndexes
from relay.vault.sealing import Sealing
from relay.vault.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals, recognises and signs; all with the keys of one keyring."""

    keyring: Keyring
    sealing: Sealing
    indexes: PartyIndexes
    tokens: Tokens
    credentials: CredentialBox
    endpoints: EndpointBox
    envelopes: Envelopes
    hooks: HookBox
    codes: Codes
    log_keys: LogKeys


def open_vault(keyring: Keyring) -> Vault:
    sealing = Sealing(keyring)
    return Vault(
        keyring,
        sealing,
        PartyIndexes(keyring),
        Tokens(keyring),
        CredentialBox(sealing),
        EndpointBox(sealing),
        Envelopes(sealing),
        HookBox(sealing),
        Codes(keyring),
        LogKeys(keyring),
    )
