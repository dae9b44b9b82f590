"""An account's log as a stranger checks it: out of what is kept, with nothing taken on trust but the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from relay.core import merkle
from relay.core.entries import decoded, leaf_of
from relay.core.merkle import check_consistency, leaf_hash
from relay.core.notes import Checkpoint, parse_checkpoint, parse_key, parse_note, proven
from relay.core.tiles import ENTRIES, Place, hashes_in, split, tiles_between
from relay.vault.log_keys import verify
from tests.services.rig import Rig


@dataclass(frozen=True, slots=True)
class Log:
    """What is there of a log. ``records``: index -> salt and record, of entries that are not erased."""

    head: Checkpoint
    tiles: dict[Place, bytes]
    leaves: list[bytes]
    events: list[UUID]
    records: dict[int, tuple[bytes, bytes]]


async def the_log(rig: Rig) -> Log:
    """The whole log, checked: the head is signed, the tiles lead to its root, and every record is what its leaf stands for."""
    (tree,) = await rig.rows("select size, checkpoint from audit_tree where account_id = $1", rig.account.id)
    keys = await rig.rows("select verifier from audit_key where account_id = $1 order by key_id", rig.account.id)
    note = parse_note(str(tree["checkpoint"]))
    assert len(proven(note, [parse_key(str(key["verifier"])) for key in keys], verify)) >= 1
    head = parse_checkpoint(note.text)
    kept: list[dict[str, Any]] = await rig.rows(
        "select level, n, hashes from audit_tile where account_id = $1", rig.account.id
    )
    tiles = {Place(row["level"], row["n"]): row["hashes"] for row in kept}
    log = Log(head, tiles, _leaves(tiles), *await _entries(rig))
    _check(log, tree["size"])
    return log


def _leaves(tiles: dict[Place, bytes]) -> list[bytes]:
    bundles = sorted(place for place in tiles if place.level == ENTRIES)
    return [leaf for place in bundles for leaf in split(tiles[place])]


async def _entries(rig: Rig) -> tuple[list[UUID], dict[int, tuple[bytes, bytes]]]:
    rows: list[dict[str, Any]] = await rig.rows(
        "select n, event_id, salt, record from audit_entry where account_id = $1 order by n", rig.account.id
    )
    told = {row["n"]: (row["salt"], row["record"]) for row in rows if row["record"] is not None}
    assert all(decoded(record) for _, record in told.values())
    return [row["event_id"] for row in rows], told


def _check(log: Log, size: object) -> None:
    """Raises AssertionError where the parts do not fit."""
    assert log.head.size == size == len(log.leaves)
    assert {tile.place for tile in tiles_between(0, log.head.size)} == set(log.tiles)
    assert all(len(log.tiles[tile.place]) == 32 * tile.width for tile in tiles_between(0, log.head.size))
    assert merkle.root(log.head.size, hashes_in(log.tiles)) == log.head.root
    assert merkle.edge_root(merkle.extend(0, (), map(leaf_hash, log.leaves))[1]) == log.head.root
    assert all(leaf_of(salt, record) == log.leaves[n] for n, (salt, record) in log.records.items())
    assert len(set(log.events)) == len(log.events)


def check_growth(older: Log, newer: Log) -> None:
    """Raises EvidenceRefused unless the newer log is the older one with more behind it."""
    path = merkle.proof(merkle.consistency_spans(older.head.size, newer.head.size), hashes_in(newer.tiles))
    check_consistency(older.head.size, older.head.root, newer.head.size, newer.head.root, path)
