"""Templates of texts: kept by their account, and rendered when one is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core import ids
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, Seed
from relay.core.templates import parse, render
from relay.storage import templates
from relay.storage.configuration import Account
from relay.storage.database import Database
from relay.storage.templates import StoredTemplate, TemplateWords

__all__ = ["StoredTemplate", "TemplateWords", "Templates"]


@dataclass(frozen=True, slots=True)
class Templates:
    database: Database

    async def add(self, account: Account, words: TemplateWords, seed: Seed) -> StoredTemplate:
        """Store a template; the same seed again gives the same one.

        Raises InvalidInput for a text that is no template, Conflict ``template_name_taken``.
        """
        parse(words.text or "")
        template_id = seed.id_in(account.bucket)
        await self.database.run(lambda tx: templates.add(tx, template_id, account.id, words), single=True)
        return await self._read(account, template_id)

    async def listed(self, account: Account, *, limit: int, before: UUID | None) -> Sequence[StoredTemplate]:
        """The account's templates, newest first."""
        async with self.database.single() as tx:
            return await templates.listed(tx, account.bucket, account.id, limit=limit, before=before)

    async def find(self, account: Account, id_or_name: str) -> StoredTemplate:
        """A template by its id or its name. Raises NotFound for unknown and for foreign ones alike."""
        try:
            return await self._read(account, ids.parse(IdKind.TEMPLATE, id_or_name))
        except NotFound:
            if not id_or_name.isprintable():
                raise
        async with self.database.single() as tx:
            found = await templates.named(tx, account.bucket, account.id, id_or_name)
        if found is None:
            raise NotFound
        return found

    async def change(self, account: Account, id_or_name: str, words: TemplateWords) -> StoredTemplate:
        """Change what is given. Texts that wait already stay as they are.

        Raises NotFound, InvalidInput for a text that is no template, Conflict ``template_name_taken``.
        """
        found = await self.find(account, id_or_name)
        if words.text is not None:
            parse(words.text)
        if not await self.database.run(lambda tx: templates.change(tx, found.id, account.id, words), single=True):
            raise NotFound
        return await self._read(account, found.id)

    async def remove(self, account: Account, id_or_name: str) -> None:
        """Raises NotFound."""
        found = await self.find(account, id_or_name)
        if not await self.database.run(lambda tx: templates.remove(tx, found.id, account.id), single=True):
            raise NotFound

    async def rendered(self, account: Account, id_or_name: str, values: Mapping[str, str]) -> str:
        """The text that a template becomes. Raises InvalidInput for an unknown template, and for each value that is wrong."""
        try:
            found = await self.find(account, id_or_name)
        except NotFound:
            message = "must be the name or id of a template"
            raise InvalidInput(Problem("template", "unknown_template", message)) from None
        return render(parse(found.text), values)

    async def _read(self, account: Account, template_id: UUID) -> StoredTemplate:
        """An id of somebody else's bucket finds nothing: the account is part of the question."""
        async with self.database.single() as tx:
            found = await templates.read(tx, account.id, template_id)
        if found is None:
            raise NotFound
        return found
