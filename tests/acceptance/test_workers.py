"""``relay serve --workers``: one port, several processes; one of them may die, and nobody notices."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.acceptance.installation import Installation, installed
from tests.acceptance.processes import Process

pytestmark = pytest.mark.long

NUMBERS = [f"+120255501{n:02}" for n in range(10)]
PEOPLE = [f"+141555501{n:02}" for n in range(50, 70)]


async def _figure(place: Installation, name: str) -> float:
    async with httpx.AsyncClient(base_url=place.url) as client:
        page = (await client.get("/metrics")).text
    (value,) = [line.split()[1] for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(value)


def _children(process: Process) -> list[int]:
    task = Path(f"/proc/{process.child.pid}/task/{process.child.pid}/children")
    return [int(pid) for pid in task.read_text().split()]


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def _say(place: Installation, talks: list[tuple[str, str]], words: str) -> list[str]:
    """Everybody says something; what is not answered is said again, as a carrier would."""
    said = []
    async with httpx.AsyncClient(timeout=20) as client:
        for n, (sender, number) in enumerate(talks):
            said.append(f"{words} {n}")
            url, headers, body = place.webhook(sender, number, said[-1])
            for _ in range(50):
                try:
                    answer = await client.post(url, headers=headers, content=body)
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                assert answer.status_code == 204
                break
    return said


async def _left(place: Installation, count: int) -> Counter[str]:
    for _ in range(300):
        if len(await place.ledger()) >= count:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    return Counter(row["text"] for row in await place.ledger())


async def test_texts_go_on_when_one_of_the_processes_behind_the_port_is_killed(tmp_path: Path, dsn: str) -> None:
    async with installed(tmp_path, dsn, numbers=NUMBERS) as place:
        parent = await place.api(worker=True, processes=2)
        talks = []
        for i in range(0, len(PEOPLE), 2):
            _, one, other = await place.open(PEOPLE[i], PEOPLE[i + 1])
            talks += [(PEOPLE[i], one), (PEOPLE[i + 1], other)]
        said = await _say(place, talks, "before")
        before = _children(parent)
        answered = {await _figure(place, 'relay_inbound_texts_total{result="forwarded"}') for _ in range(10)}
        os.kill(before[0], signal.SIGKILL)
        said += await _say(place, talks, "meanwhile")
        left = await _left(place, len(said))
        noted = await parent.logged("worker_process_ended")
        for _ in range(200):
            if len(_children(parent)) == 2:
                break
            await asyncio.sleep(0.05)
        after = _children(parent)
        code = parent.stop()

        assert len(before) == 2
        assert answered == {20.0}, "whichever process is asked tells the figures of all"
        assert left == dict.fromkeys(said, 1)
        assert (noted["status"], noted["pid"]) == (-9, before[0])
        assert len(after) == 2
        assert before[1] in after
        assert code == 0
        assert _alive([*before, *after]) == []


async def test_no_process_is_left_when_the_parent_is_killed(tmp_path: Path, dsn: str) -> None:
    async with installed(tmp_path, dsn, numbers=NUMBERS) as place:
        parent = await place.api(worker=True, processes=2)
        children = _children(parent)
        parent.kill()
        for _ in range(200):
            if not _alive(children):
                break
            await asyncio.sleep(0.05)

        assert len(children) == 2
        assert _alive(children) == []
