"""``/v1/audit/witnesses`` and ``/v1/audit/cosignatures``: who watches the log, and what they have signed.

A witness is made known with the scope ``admin``: were ``audit`` enough, whoever may read the log could be its witness, and
"witnessed by" would say nothing. For handing a cosignature in ``audit`` is enough: it is signed with the witness's own key.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from relay.api.answers import Page, Shown, Time, WitnessId, gives
from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import Body
from relay.core import ids
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.notes import parse_key
from relay.core.times import written
from relay.storage.audit_witnesses import Witness

_KEY = "auditor.example+65261acd+BEvq3isjNDC5cYuqzs8P4FHLIqILbXmlqfxa2HOI4vc8"


class WitnessBody(Body):
    key: Annotated[
        str,
        Field(
            max_length=300,
            description="its public key: name+id+base64, as relay audit witness prints it",
            examples=[_KEY],
        ),
    ]


class CosignatureBody(Body):
    checkpoint: Annotated[
        str,
        Field(
            max_length=30_000,
            description="a head of this log as it was served, with the witness's line under it",
            examples=["relay.example/acc_...\n12\nj3Yq...=\n\n\u2014 auditor.example 6a1f...\n"],
        ),
    ]


class WitnessShown(Shown):
    """A witness of the log, and the newest head that it has signed."""

    id: WitnessId
    name: Annotated[str, Field(examples=["auditor.example"])]
    key: Annotated[str, Field(examples=[_KEY])]
    added_at: Time
    size: Annotated[int | None, Field(ge=0, description="entries under that head", examples=[12])]
    signed_at: Annotated[
        Time | None, Field(description="by the witness's own clock", examples=["2026-11-20T08:00:00Z"])
    ]


class WitnessPage(Page[WitnessShown]):
    """All witnesses, newest first."""


class CosignaturesTaken(Shown):
    """The witnesses whose word was taken."""

    data: list[WitnessShown]


async def add_witness(call: Call) -> Reply:
    found = await call.services.audit_witnesses.add(call.account, call.read(WitnessBody).key, call.seed)
    return Reply(witness_json(found), 201)


async def list_witnesses(call: Call) -> Reply:
    found = await call.services.audit_witnesses.listed(call.account)
    return Reply({"data": [witness_json(witness) for witness in reversed(found)], "next_cursor": None})


async def remove_witness(call: Call) -> Reply:
    await call.services.audit_witnesses.remove(call.account, ids.parse(IdKind.WITNESS, call.path["id"]))
    return Reply({}, 204)


async def take_cosignatures(call: Call) -> Reply:
    found = await call.services.audit_witnesses.take(call.account, call.read(CosignatureBody).checkpoint)
    return Reply({"data": [witness_json(witness) for witness in found]})


def witness_json(w: Witness) -> dict[str, Any]:
    """A witness, and the newest head that it has signed: ``size`` entries, at ``signed_at`` by its own clock."""
    return {
        "id": public(IdKind.WITNESS, w.id),
        "name": parse_key(w.key).name,
        "key": w.key,
        "added_at": written(w.added_at),
        "size": w.word.size if w.word else None,
        "signed_at": written(w.word.at) if w.word else None,
    }


_A, _L = Scope.ADMIN, Scope.AUDIT

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/audit/witnesses", _A, add_witness, "Take the word of a witness from now on", WitnessBody,
             answers=gives(WitnessShown, "witness_known", "too_many_witnesses", status=201)),
    Endpoint("GET", "/v1/audit/witnesses", _A, list_witnesses, "Whose word is taken, and what they signed last",
             also=frozenset({_L}), answers=gives(WitnessPage)),
    Endpoint("DELETE", "/v1/audit/witnesses/{id}", _A, remove_witness, "Take it no more; what it signed goes, too",
             answers=gives(None)),
    Endpoint("POST", "/v1/audit/cosignatures", _L, take_cosignatures, "Hand in a witness's signature", CosignatureBody,
             answers=gives(CosignaturesTaken)),
)
# fmt: on
