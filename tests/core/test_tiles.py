"""Tiles: their paths have one spelling, a growing tree makes the tiles of the definition, and they give every hash back."""

from __future__ import annotations

import pytest

from relay.core import merkle
from relay.core.errors import NotFound
from relay.core.merkle import leaf_hash
from relay.core.tiles import ENTRIES, Growth, Place, Tile, hashes_in, parse, places_of, split, tiles_between, unfinished
from tests.core.trees import defined_root, leaves

LEAVES = leaves(70_000)

PATHS = {
    "0/000": Tile(0, 0),
    "0/000.p/1": Tile(0, 0, 1),
    "0/999.p/255": Tile(0, 999, 255),
    "1/x001/000": Tile(1, 1000),
    "7/x001/x234/067": Tile(7, 1_234_067),
    "0/x001/x234/067.p/8": Tile(0, 1_234_067, 8),
    "entries/x123/456": Tile(ENTRIES, 123_456),
    "entries/000.p/17": Tile(ENTRIES, 0, 17),
}
ODD = [
    "", "0", "0/", "0/0", "0/00", "0/0000", "00/000", "8/000", "63/000", "64/000", "-1/000", "+1/000", "0/x000/000", "0/x1/000",
    "0/001/000", "0/x001", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000.p", "0/000/", "/0/000", "0//000",
    "entries", "entries/0", "Entries/000", "0/000.P/1", "0/000.p/1/", "0/000\n", "0/٠٠٠", "0/%30", "0/../000", "0/x000/x001/000",
    "0/" + "x999/" * 40 + "000", "0/000.p/-1", "0/000.p/1e1", "0/000?x",
]  # fmt: skip


@pytest.mark.parametrize(("path", "tile"), PATHS.items())
def test_a_tile_has_its_path(path: str, tile: Tile) -> None:
    assert parse(path) == tile
    assert tile.path() == path


@pytest.mark.parametrize("path", ODD)
def test_another_spelling_is_no_tile(path: str) -> None:
    with pytest.raises(NotFound):
        parse(path)


def grown(*sizes: int) -> tuple[Growth, dict[Place, bytes]]:
    """A tree that came to its last size through the others, and all that was kept on the way."""
    kept: dict[Place, bytes] = {}
    size, growth = 0, Growth(0, {})
    for aim in sizes:
        growth = Growth(size, {place: kept[place] for place in unfinished(size)})
        growth.take(LEAVES[size:aim])
        size = aim
        kept |= {place: bytes(tile) for place, tile in growth.changed.items()}
    return growth, kept


@pytest.mark.parametrize(
    "steps", [(1,), (255, 256, 257), (300, 301, 700), (65_535, 65_536, 65_537), (70_000,), (3, 3, 69_999, 70_000)]
)
def test_a_tree_grows_to_the_same_root_whatever_its_steps(steps: tuple[int, ...]) -> None:
    growth, kept = grown(*steps)

    expected = merkle.edge_root(merkle.extend(0, (), map(leaf_hash, LEAVES[: steps[-1]]))[1])
    assert growth.root() == expected == merkle.root(steps[-1], hashes_in(kept))


def test_tiles_hold_what_the_definition_says() -> None:
    """Seventy thousand leaves: the example in the specification."""
    _, kept = grown(33, 70_000)
    made = list(tiles_between(0, 70_000))

    by_level = {level: [tile.width for tile in made if tile.level == level] for level in range(ENTRIES, 4)}
    assert by_level == {ENTRIES: [256] * 273 + [112], 0: [256] * 273 + [112], 1: [256, 17], 2: [1], 3: []}
    assert all(len(tile.cut(kept[tile.place])) == tile.width * 32 for tile in made if tile.level != ENTRIES)
    assert Tile(0, 5, 9).cut(kept[Place(ENTRIES, 5)]) == b"".join(leaf_hash(leaf) for leaf in LEAVES[1280:1289])
    assert split(Tile(1, 0).cut(kept[Place(1, 0)]))[7] == defined_root(LEAVES[7 * 256 : 8 * 256])
    assert Tile(2, 0, 1).cut(kept[Place(2, 0)]) == defined_root(LEAVES[:65_536])


def test_an_entry_bundle_holds_leaves_behind_their_length() -> None:
    _, kept = grown(3)

    assert Tile(ENTRIES, 0, 3).cut(kept[Place(ENTRIES, 0)]) == b"".join(b"\x00\x20" + leaf for leaf in LEAVES[:3])


def test_growing_makes_new_tiles_only() -> None:
    between = list(tiles_between(250, 600))

    assert [tile.path() for tile in between] == [
        "entries/000", "entries/001", "entries/002.p/88", "0/000", "0/001", "0/002.p/88", "1/000.p/2",
    ]  # fmt: skip
    assert list(tiles_between(600, 600)) == []


@pytest.mark.parametrize("size", [1, 256, 257, 600, 65_536, 70_000])
def test_a_tree_has_the_tiles_that_it_made_and_no_wider_ones(size: int) -> None:
    for tile in tiles_between(0, size):
        assert tile.lies_in(size)
        assert not Tile(tile.level, tile.index, tile.width + 1).lies_in(size) or tile.width == 256
        assert not Tile(tile.level, tile.index + 1, 256).lies_in(size) or tile.width == 256
    assert not Tile(3, 0, 1).lies_in(size)


def test_what_was_kept_gives_every_proof() -> None:
    """And places_of names all that a proof needs, and little else."""
    _, kept = grown(70_000)
    for index, size in [(0, 1), (0, 70_000), (69_999, 70_000), (65_535, 65_537), (300, 512), (12_345, 54_321)]:
        spans = merkle.inclusion_spans(index, size)
        needed = places_of(spans)
        path = merkle.proof(spans, hashes_in({place: kept[place] for place in needed}))

        root = merkle.root(size, hashes_in(kept))
        merkle.check_inclusion(leaf_hash(LEAVES[index]), index, size, path, root)
        assert len(needed) <= 8


def test_what_an_earlier_growth_left_behind_its_size_is_not_taken_over() -> None:
    growth = Growth(2, {Place(ENTRIES, 0): b"".join(LEAVES[:5])})
    growth.take(LEAVES[2:3])

    assert growth.root() == defined_root(LEAVES[:3])
