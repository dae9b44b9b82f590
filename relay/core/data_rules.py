"""The table of data classes: what is kept, of whom, why, for how long, until when, how sealed, and in which columns."""

from __future__ import annotations

from collections.abc import Mapping

from relay.core import verification
from relay.core.data_class import DataClass, Rule, columns
from relay.core.periods import (
    ANSWERS_FOR,
    AUDIT_ENTRIES_FOR,
    BULK_CLOSES_FOR,
    CARRIER_COPIES_FOR,
    EVENTS_FOR,
    EXPORTS_FOR,
    INBOX_KEYS_FOR,
    MESSAGES_FOR,
    PRIVACY_REQUESTS_FOR,
    REQUESTS_FOR,
    STARTS_FOR,
    TURNS_FOR,
)

_PAIR = "the two people of a session"
_NOBODY = "none"
_STAFF = "the account's and the operator's staff"
_HASH = "keyed hash (index key)"
CLEAR = "not sealed: names nobody by itself"

RULES: Mapping[DataClass, Rule] = {
    DataClass.PHONE: Rule(
        "phone numbers of participants",
        _PAIR,
        "to reach each of the two people with what the other writes",
        None,
        "the session closes or the participant is replaced",
        "epoch key",
        columns(participant="sealed_phone epoch_id"),
    ),
    DataClass.TEXT: Rule(
        "texts that still have to leave, with the phone that each is for; texts that a hook is asked about, with whose they are",
        "the two people of a session; people who get an automatic answer",
        "to hand the text over to the carrier",
        None,
        "the carrier has accepted or refused it; at most 4 hours when waiting (of one for later: after its time, at most 7"
        " days ahead), 72 hours when parked; the hook has answered, at most 10 minutes",
        "transit key",
        columns(
            outbox="bucket message_id account_id session_id to_participant leg_no party_index kind number_id segments"
            " sealed_phone sealed_text transit_id phase asked arrived_at due_at"
            " deadline_at ask_at",
            hook_call="bucket id account_id number_id sealed_phone sealed_text transit_id made_at",
        ),
    ),
    DataClass.CARRIER_COPY: Rule(
        "what carriers call the texts that they still have on record, with both phones",
        "everybody who texted, or was texted",
        "to have the carrier delete its record",
        CARRIER_COPIES_FOR,
        "the carrier has deleted it, which it is told a minute after its last word on the text, else after a day",
        "redaction key",
        columns(
            redaction="bucket id account_id connection_id sealed_provider_id redaction_id since due_at tries",
        ),
    ),
    DataClass.PARTY_INDEX: Rule(
        "keyed hashes that recognise a person on a number",
        _PAIR,
        "to route a text to its session, and to keep a late one from reaching a stranger",
        None,
        "the cool-down after the session ends",
        _HASH,
        columns(
            binding="bucket number_id party_index session_id participant_id pair_index held_until",
            participant="party_index",
        ),
    ),
    DataClass.PERSON: Rule(
        "whether a person wants texts, and whether notices reach them, by keyed hash",
        "everybody who was in a session",
        "to honour STOP at the moment of sending, and to leave a phone alone that notices do not reach",
        STARTS_FOR,
        "no session, no cool-down, no waiting text and no opt-out needs it any more",
        _HASH,
        columns(person="bucket party_index key_id opted_out changed_at superseded bounces silent_until"),
    ),
    DataClass.SUPPRESSION: Rule(
        "opt-outs, and opt-ins that took one back, by keyed hash",
        "everybody who wrote STOP, or is on a list of the account's",
        "to go on honouring a STOP (an obligation by law)",
        None,
        "the account ends",
        _HASH,
        columns(
            suppression="bucket account_id party_index key_id opted_out changed_at id source reason",
            fanout="bucket id account_id party_index key_id opted_out arrived_at other_indexes other_key_ids source reason",
        ),
    ),
    DataClass.INBOX_KEY: Rule(
        "keyed hashes of what carriers have delivered",
        _NOBODY,
        "to take a repeated or replayed delivery for what it is",
        INBOX_KEYS_FOR,
        "90 days; where the carrier's signature carries no time, until its connection is removed",
        "keyed hash (fingerprint key)",
        columns(inbox_key="bucket connection_id kind key fingerprint key_id at"),
    ),
    DataClass.SESSION: Rule(
        "sessions and who took part, without phone",
        _PAIR,
        "to answer for what became of a conversation",
        MESSAGES_FOR,
        "90 days after it closed, and its messages and bindings are gone",
        CLEAR,
        columns(
            session="bucket id account_id pool_id status unique_name metadata created_at expires_at idle_timeout idle_at"
            " cool_down expiring_notice expiring_at last_message_at last_leg_no closed_at close_reason journaled geo_match"
            " geo_fallback seating people_since",
            participant="bucket id session_id slot status label number_id",
            erasure="bucket session_id account_id asked_at",
            session_sequence="bucket session_id last",
        ),
    ),
    DataClass.MESSAGE: Rule(
        "that a text was sent, when, and what became of it; never the text",
        _PAIR,
        "to show that a text was delivered or why not",
        MESSAGES_FOR,
        "90 days after it arrived",
        CLEAR,
        columns(
            message="bucket id account_id session_id kind from_participant to_participant leg_no state reason segments"
            " attempts received_at changed_at send_at accepted_at delivered_at"
        ),
    ),
    DataClass.ATTEMPT: Rule(
        "each try at handing a text over",
        _NOBODY,
        "to never send a text twice",
        MESSAGES_FOR,
        "its message is forgotten",
        CLEAR,
        columns(attempt="bucket id message_id n epoch begun_at ended_at outcome"),
    ),
    DataClass.EVENT: Rule(
        "that something changed its state, and when",
        _PAIR,
        "to tell the account, and to account for what was done",
        EVENTS_FOR,
        "30 days after it happened",
        CLEAR,
        columns(
            event="bucket id account_id type session_id participant_id message_id number_id verification_id endpoint_id rule_id"
            " reason at",
            sealed_event="bucket event_id",
            numbered_event="bucket event_id n",
            delivery="bucket endpoint_id event_id account_id state tries made_at due_at last_at last_status failure",
        ),
    ),
    DataClass.AUDIT_ENTRY: Rule(
        "what an entry of the audit log stands for: what happened and why; who, by keyed hash of an id; which carrier and country"
        " the number has that a text went by",
        _PAIR,
        "to account for what was done, to somebody who need not trust us",
        AUDIT_ENTRIES_FOR,
        "13 months after it was sealed, or its session is erased",
        "keyed hash (the log's reference key)",
        columns(
            audit_entry="bucket account_id n event_id entry_ref session_ref type reason at salt record sealed_at",
        ),
    ),
    DataClass.AUDIT_TREE: Rule(
        "salted hashes of entries, the signed head over them, and the witnesses that have signed it, too",
        _NOBODY,
        "to prove that the log was not changed, whatever was erased from it since",
        None,
        "the account ends",
        "SHA-256 over 256 random bits",
        columns(
            audit_tree="bucket account_id origin reference_key size checkpoint signed_at",
            audit_tile="bucket account_id level n hashes",
            audit_key="bucket account_id key_id verifier first_size first_at",
            audit_witness="bucket id account_id key added_at size checkpoint signature signed_at",
        ),
    ),
    DataClass.AUDIT_EXPORT: Rule(
        "that the audit log was exported, by whose key, which entries, under which head; no entry itself",
        _STAFF,
        "to make the same evidence pack again when fetching it broke off",
        EXPORTS_FOR,
        "7 days",
        CLEAR,
        columns(
            audit_export="bucket id account_id asked_at asked_by checkpoint first_n end_n since until retention cosigned",
        ),
    ),
    DataClass.BULK_CLOSE: Rule(
        "that many sessions were to be closed at once, by which words, and how far that has come; no session itself",
        _STAFF,
        "to carry it out, and to say how far it has come",
        BULK_CLOSES_FOR,
        "30 days, and it is done",
        CLEAR,
        columns(
            bulk_close="bucket id account_id asked_at pool_id name_prefix created_before idle_since buckets is_spread",
            bulk_close_part="bucket id account_id asked_at pool_id name_prefix created_before idle_since matched closed after"
            " done_at",
        ),
    ),
    DataClass.HOLD: Rule(
        "which sessions are kept beyond their period, why and by whose key",
        _PAIR,
        "to restrict processing (article 18) or to defend a claim (article 17(3))",
        None,
        "its session is forgotten",
        CLEAR,
        columns(hold="bucket session_id id account_id reason placed_at placed_by lifted_at"),
    ),
    DataClass.PRIVACY_REQUEST: Rule(
        "that access or erasure was asked for, when and why; of whom only while an erasure is not done, by keyed hash",
        "everybody who asks about themselves",
        "to show that requests were answered (article 5(2))",
        PRIVACY_REQUESTS_FOR,
        "13 months; of whom: the erasure is done",
        _HASH,
        columns(privacy_request="bucket id account_id kind operator_reason asked_at asked_by parties"),
    ),
    DataClass.EXPORT: Rule(
        "copies made for people who asked what there is about them",
        "everybody who asks about themselves",
        "to answer access requests (articles 15 and 20)",
        EXPORTS_FOR,
        "7 days, or an erasure",
        "transit key; keyed hash (index key)",
        columns(privacy_export="bucket id account_id party_index sealed_document transit_id made_at"),
    ),
    DataClass.AUTOMATIC_ANSWER: Rule(
        "when somebody last got an automatic answer, or the same text again and again, by keyed hash",
        "everybody who was answered automatically, or texted the same again and again",
        "to answer nobody twice a day, and to end loops",
        ANSWERS_FOR,
        "24 hours",
        _HASH,
        columns(answer="bucket number_id party_index kind last_at n"),
    ),
    DataClass.IDEMPOTENCY_ANSWER: Rule(
        "what a request was answered",
        _STAFF,
        "to give the same request the same answer",
        REQUESTS_FOR,
        "24 hours",
        "transit key; keyed hash (fingerprint key)",
        columns(
            idempotency="bucket account_id key fingerprint entropy created_at lease_until status sealed_answer transit_id"
        ),
    ),
    DataClass.VERIFICATION: Rule(
        "that somebody was sent a code, by keyed hash, and whether it came back",
        "everybody who was sent a code",
        "to prove a phone, and to send nobody too many codes",
        verification.KEPT_FOR,
        "24 hours; the code's own hash until it was right or its five minutes are over",
        "keyed hashes (index key, fingerprint key)",
        columns(
            verification="bucket id account_id party_index purpose status reason digest key_id checks last_check created_at"
            " expires_at token_until used_by"
        ),
    ),
    DataClass.TURN: Rule(
        "who, and what, was just being dealt with, by keyed hash; only while keys change",
        "everybody who turns up while there are several index keys",
        "to know a person, a text or a request by one name while it has several",
        TURNS_FOR,
        "24 hours",
        _HASH,
        columns(turn="bucket name at"),
    ),
    DataClass.CREDENTIALS: Rule(
        "API keys, as hashes, the credentials at carriers, and the addresses and secrets of webhooks and hooks",
        _STAFF,
        "to let in who may, and to be let in",
        None,
        "the account ends, or it is removed; of a session at the console: a day after it ended",
        "settings key; SHA-256 of 256 random bits",
        columns(
            api_key="bucket id account_id name secret_hash scopes created_at expires_at revoked_at last_used_at",
            audit_reader="bucket key_id noted_at",
            console_link="bucket key_id account_id secret_hash created_at expires_at used_at used_by refused_at",
            connection="id account_id provider sealed_credentials key_id created_at",
            endpoint="id account_id events status disabled_reason changed_at sealed_settings key_id created_at",
            pool_hook="id account_id pool_id kind timeout on_timeout sealed_settings key_id created_at",
        ),
    ),
    DataClass.CONFIGURATION: Rule(
        "accounts, pools, rented numbers, templates of texts",
        _STAFF,
        "to run the account",
        None,
        "the account ends, or it is removed",
        CLEAR,
        columns(
            account="id bucket name programme help_contact language notices on_ambiguous allowed_countries"
            " default_expires_in default_idle_timeout default_cool_down default_expiring_notice quiet_from quiet_to created_at"
            " daily_cap",
            template="bucket id account_id name text language created_at changed_at",
            pool="id account_id bucket name status created_at require_verified rules",
            former_pool="account_id bucket",
            number="id account_id pool_id connection_id e164 country area_code kind rate created_at",
            former_number="account_id e164 bucket",
            number_state="bucket number_id account_id state changed_at",
        ),
    ),
    DataClass.OPERATION: Rule(
        "which process works on what, and the schema's version",
        _NOBODY,
        "to run the installation",
        None,
        "the installation ends",
        CLEAR,
        columns(
            lease="bucket name owner epoch until",
            process="owner until",
            forgetting="bucket passed_at",
            daily_count="bucket account_id day here elsewhere",
            sealing="bucket account_id looked_to",
            numbering="bucket looked_to",
            endpoint_health="bucket endpoint_id failing_since",
            journal="id position",
            configuration="id version",
            keyring_check="purpose key_id answer use_from in_use in_use_since destroyed_at told_of_use told_of_end",
            keyholder="owner until holds seals",
            schema_migration="number name checksum applied_at",
            migration_lease="id owner until",
        ),
    ),
}
