"""The composition root: everything is built here once and handed to whoever needs it. No rule and no logic lives here.

A new provider is one line in ``parts.PROVIDERS``. A new piece of upkeep is one line in ``steps.steps``.
"""

from relay.wiring.opening import open_keyring, open_relay
from relay.wiring.parts import PROVIDERS, Relay, build
from relay.wiring.working import keeping_keys, working

__all__ = ["PROVIDERS", "Relay", "build", "keeping_keys", "open_keyring", "open_relay", "working"]
