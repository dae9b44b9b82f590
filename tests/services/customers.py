"""The servers of those who rent: what they were told, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from relay.core.customer_url import CustomerUrl
from relay.providers.guarded import CustomerAnswer, GuardedTransport


@dataclass(frozen=True, slots=True)
class Told:
    """One post."""

    url: CustomerUrl
    body: bytes
    headers: Mapping[str, str]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Customers(GuardedTransport):
    """Stands in for the network. Takes everything with 204, unless a test sets ``answer``; ``posts`` holds what came."""

    def __init__(self) -> None:
        self.posts: list[Told] = []
        self.answer: Callable[[Told], Awaitable[int]] | None = None

    async def post(
        self, owner: UUID, url: CustomerUrl, body: bytes, headers: Mapping[str, str], *, within: float
    ) -> CustomerAnswer:
        told = Told(url, body, headers)
        self.posts.append(told)
        return CustomerAnswer(await self.answer(told) if self.answer else 204, b"", None)

    def say(self, status: int) -> None:
        """From now on, answer this."""

        async def answer(_: Told) -> int:
            return status

        self.answer = answer
