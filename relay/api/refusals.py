"""Every code that a problem document can have: what kind of refusal it is, which gives it its status, and in words when it comes.

A service that raises a new code gets its line here, and every endpoint that can answer it names it in its ``answers``. The
tests of the API fail on an answer whose code is not declared.
"""

from __future__ import annotations

from collections.abc import Mapping

from relay.api.problems import WrongMethod, status_of_kind
from relay.core import errors
from relay.core.errors import CallerMistake, Conflict, InvalidInput, InvalidPhone, RelayError

REFUSALS: Mapping[str, tuple[type[RelayError], str]] = {
    "not_authenticated": (errors.NotAuthenticated, "no API key, or not one that works"),
    "scope_missing": (errors.NotAllowed, "the key does not have the scope that this call needs"),
    "not_found": (errors.NotFound, "unknown, or another account's: the two look the same"),
    "method_not_allowed": (WrongMethod, "this address takes other methods: see Allow"),
    "malformed_json": (CallerMistake, "the body is not JSON"),
    "two_lengths": (CallerMistake, "both Content-Length and Transfer-Encoding"),
    "body_too_slow": (CallerMistake, "the body took longer than ten seconds to arrive"),
    "idempotency_key_invalid": (CallerMistake, "Idempotency-Key is not 1 to 255 printable characters"),
    "too_large": (errors.TooLarge, "the body is larger than 64 kB"),
    "wrong_content_type": (errors.WrongContentType, "the body is not application/json"),
    "rate_limited": (
        errors.TooMany,
        "too many requests with this key, codes to this phone, or trials of webhooks at once",
    ),
    "request_in_progress": (Conflict, "the first request under this Idempotency-Key is being worked on"),
    "already_held": (Conflict, "a hold on this session stands already"),
    "busy": (Conflict, "too many sessions are being opened for the same people at once"),
    "daily_cap_reached": (Conflict, "as many texts have left today as the account may send in a day"),
    "connection_in_use": (Conflict, "numbers still use this connection"),
    "log_empty": (Conflict, "nothing is in this log yet"),
    "no_number_available": (Conflict, "no number can be given to a participant; `reason` says which constraint failed"),
    "not_parked": (Conflict, "the message is not parked, or its text is gone"),
    "opt_out_is_theirs": (Conflict, "they said it themselves: only they take it back, or you with a reason"),
    "participant_replaced": (Conflict, "this participant has been replaced already"),
    "session_not_reopenable": (Conflict, "the session cannot be opened again; `reason` says why"),
    "session_open": (Conflict, "the session is open"),
    "template_name_taken": (Conflict, "there is a template of this name"),
    "number_in_use": (Conflict, "people still hold this number; it is draining now"),
    "number_taken": (Conflict, "this number has been imported already"),
    "on_hold": (Conflict, "a hold stands on this session"),
    "participant_opted_out": (Conflict, "this person has opted out of texts from this account"),
    "phone_unreadable": (Conflict, "this participant's phone cannot be read any more"),
    "pool_in_use": (Conflict, "the pool still has numbers"),
    "pool_name_taken": (Conflict, "there is a pool of this name"),
    "pool_preparing": (Conflict, "the pool is still being prepared"),
    "provider_unavailable": (Conflict, "the provider does not answer, or is busy"),
    "session_closed": (Conflict, "the session is closed"),
    "session_erased": (Conflict, "the session is erased"),
    "unique_name_taken": (Conflict, "an open session of this pool has this unique_name"),
    "no_webhook": (Conflict, "no enabled webhook takes this event"),
    "too_many_webhooks": (Conflict, "an account has no more webhooks than this"),
    "too_many_witnesses": (Conflict, "a log has no more witnesses than this"),
    "witness_known": (Conflict, "this witness is known already"),
    "invalid_request": (InvalidInput, "a field or a parameter is not valid; `errors` names each"),
    "idempotency_key_reused": (InvalidInput, "this Idempotency-Key was used for another request"),
    "country_invalid": (InvalidPhone, "the country does not go with the number"),
    "country_not_allowed": (InvalidInput, "the account does not text to this country"),
    "number_invalid": (InvalidPhone, "this is no number"),
    "number_kind_refused": (InvalidPhone, "a number of this kind cannot be given to people"),
    "own_number": (InvalidInput, "this is a number of the account, not a person's phone"),
    "phone_invalid": (InvalidPhone, "this is no phone in E.164 form"),
    "phone_kind_refused": (InvalidPhone, "a line of this kind is not a person's"),
    "not_the_same_people": (InvalidInput, "these are not the two people of this session"),
    "same_person": (InvalidInput, "both participants have the same phone"),
    "verification_token_invalid": (InvalidInput, "the token is made up, used, too old, or another phone's"),
    "internal": (RelayError, "something went wrong here; the request id leads to it in the logs"),
    "key_missing": (errors.KeyMissing, "this process lacks a key that another may have"),
    "storage_unavailable": (errors.StorageUnavailable, "the database cannot be reached"),
}

EVERYWHERE = ("not_authenticated", "scope_missing", "rate_limited", "invalid_request", "internal")
PASSING = ("storage_unavailable", "key_missing")
WITH_BODY = ("malformed_json", "two_lengths", "body_too_slow", "too_large", "wrong_content_type")
WITH_KEY = ("idempotency_key_invalid", "idempotency_key_reused", "request_in_progress")


def status_of_code(code: str) -> int:
    """The status that a code comes with. Raises KeyError for a code that is not in the table."""
    return status_of_kind(REFUSALS[code][0])


def words_of(code: str) -> str:
    return REFUSALS[code][1]
