"""``python -m relay.sandbox.carrier``."""

from relay.sandbox.carrier.process import main

main()
