"""Schemathesis over the whole API: whatever is sent, no error of ours and no answer that the OpenAPI document does not have.

``python -m tests.schemathesis_run [--examples N]`` starts a sandbox of its own, makes one thing of every kind, and lets
schemathesis make up requests, right and wrong ones, at every call: examples, edges of what schemas allow, chance, and calls
that follow from one another. Ends with 1 when a check failed; the same seed sends the same again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.sandbox.sandbox_process import RIDER, Running, running, until

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
DAVE, EVE = "+14155550160", "+14155550199"  # not those of examples: they are erased


def world(sandbox: Running) -> dict[str, str]:
    """One of everything: by what stands before its id in a path, or by the name of a field."""

    def made(path: str, body: dict[str, object]) -> str:
        return str(sandbox.api.post(path, json=body).raise_for_status().json()["id"])

    session, *_ = sandbox.open(DAVE, EVE)
    participant = sandbox.api.get(f"/v1/sessions/{session}").json()["participants"][0]["id"]
    held, *_ = sandbox.open(RIDER, DAVE)
    made("/v1/privacy/requests", {"kind": "hold", "session": held, "operator_reason": "legal_claim"})
    pool = made("/v1/pools", {"name": "spare"})
    connection = sandbox.document["connection"]
    number = {"number": "+12025550145", "connection": connection, "pool": "spare"}
    entries = until(lambda: sandbox.api.get("/v1/audit/entries").json()["data"], bool, within=20)
    return {
        "sessions": session,
        "session": session,
        "to": participant,
        "messages": made(f"/v1/sessions/{session}/messages", {"to": participant, "text": "Your driver is near."}),
        "connections": connection,
        "connection": connection,
        "numbers": made("/v1/numbers", number),
        "pools": pool,
        "templates": made("/v1/templates", {"name": "late", "text": "{driver} is late"}),
        "bulk-close": made("/v1/sessions/bulk-close", {"filter": {"unique_name_prefix": "none-"}}),
        "pool": "default",
        "verifications": made("/v1/verifications", {"phone": EVE, "purpose": "session"}),
        "requests": made(
            "/v1/privacy/requests", {"kind": "access", "phone": RIDER, "operator_reason": "own_initiative"}
        ),
        "holds": held,
        "exports": made("/v1/audit/exports", {}),
        "entry": entries[0]["id"],
    }


#: What ends something comes last: on the way there, calls would find nothing any more.
PARTS = (
    ("--exclude-method", "DELETE", "--phases", "examples,coverage,fuzzing,stateful"),
    ("--include-method", "DELETE", "--phases", "examples,coverage,fuzzing"),
)


def command(sandbox: Running, examples: int, seed: int) -> list[str]:
    return [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{sandbox.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {sandbox.document['api_key']}"),
        *("--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", str(seed)),
        *("--continue-on-failure", "--warnings", "off", "--suppress-health-check", "all", "--no-color"),
    ]


def answered(sandbox: Running) -> Counter[tuple[str, str]]:
    """How often which call was answered how, as the relay itself has counted: (route, status)."""
    line = r'^relay_api_requests_total\{route="(.*?)",status="(\d+)"\} (.*)$'
    lines = re.findall(line, sandbox.http.get("/metrics").text, re.MULTILINE)
    return Counter({(route, status): int(float(count)) for route, status, count in lines})


def tell(counted: Counter[tuple[str, str]]) -> None:
    """Say how many requests got which status, and which routes nobody got through to."""
    statuses: Counter[str] = Counter()
    for (_, status), count in counted.items():
        statuses[status] += count
    reached = {route for route, status in counted if status < "300"}
    print(
        f"{counted.total()} requests at {len({route for route, _ in counted})} routes:", dict(sorted(statuses.items()))
    )
    print("never answered by success:", sorted({route for route, _ in counted} - reached) or "none")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=25, help="made-up requests per call and phase, at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with running("--ephemeral", "--no-browser", env={"RELAY_API_RATE": "100000"}) as sandbox:
        environment = {
            **os.environ,
            "RELAY_TEST_WORLD": json.dumps(world(sandbox)),
            "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
        }
        asked = command(sandbox, options.examples, options.seed)
        before = answered(sandbox)
        codes = [subprocess.run([*asked, *part], env=environment, check=False).returncode for part in PARTS]
        tell(answered(sandbox) - before)
    print(
        f"schemathesis: {'held' if codes == [0, 0] else 'FAILED'} in {time.monotonic() - began:.0f} s, seed {options.seed}"
    )
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
