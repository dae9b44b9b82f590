"""Seals a hook's address and secret, and remembers what it opened as long as it is asked for the same."""

from __future__ import annotations

import json
from uuid import UUID

from relay.core.hooks import HookSettings
from relay.core.ids import bucket_of
from relay.core.keys import Purpose
from relay.vault.sealing import Place, Sealed, Sealing


class HookBox:
    """Settings go in and out whole."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._opened: dict[UUID, tuple[Sealed, HookSettings]] = {}

    def seal(self, account_id: UUID, hook_id: UUID, settings: HookSettings) -> Sealed:
        plain = json.dumps({"url": settings.url, "secret": settings.secret})
        return self._sealing.seal(Purpose.SETTINGS, _place(account_id, hook_id), plain)

    def open(self, account_id: UUID, hook_id: UUID, sealed: Sealed) -> HookSettings:
        """Raises Tampered when they were not sealed for this hook."""
        known = self._opened.get(hook_id)
        if known is not None and known[0] == sealed:
            return known[1]
        settings = HookSettings(**json.loads(self._sealing.open(Purpose.SETTINGS, _place(account_id, hook_id), sealed)))
        self._opened[hook_id] = (sealed, settings)
        return settings


def _place(account_id: UUID, hook_id: UUID) -> Place:
    return Place(account_id, bucket_of(hook_id), hook_id, "hook.settings")
