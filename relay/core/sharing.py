"""How many buckets each process should own, so that all of them are served and nobody is idle.

Every process works this out for itself from the same picture, and comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID


def fair_share(held: Mapping[UUID, int], buckets: int) -> dict[UUID, int]:
    """How many of ``buckets`` each process should own, given how many each owns now (dead ones left out).

    Nobody gets two more than anybody else. Where it does not come out even, those that own more keep the more, so that
    as few buckets as possible change hands.
    """
    if not held:
        return {}
    least, more = divmod(buckets, len(held))
    ranked = sorted(held, key=lambda owner: (-held[owner], owner))
    return {owner: least + (rank < more) for rank, owner in enumerate(ranked)}
