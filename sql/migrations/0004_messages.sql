-- What came in, what becomes of it, what still has to leave, each try at it, and each change of state.
-- message, attempt and event are history: partitioned by id, whose leading bits are time, so that the primary key stays
-- (bucket, id). Everything is in the default partition until retention asks for more.

-- Never partitioned: a repeated webhook must be recognised across any boundary. `key` and `fingerprint` are keyed hashes.
create table inbox_key (
    bucket smallint not null,
    connection_id uuid not null,
    kind smallint not null,
    key bytea not null,
    fingerprint bytea not null,
    at timestamptz not null,
    primary key (bucket, connection_id, kind, key)
);

create table message (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    session_id uuid,
    kind text not null,
    from_participant uuid,
    to_participant uuid,
    leg_no bigint,
    state text not null,
    reason text,
    segments smallint not null,
    attempts integer not null default 0,
    received_at timestamptz not null,
    changed_at timestamptz not null,
    accepted_at timestamptz,
    delivered_at timestamptz,
    primary key (bucket, id),
    constraint message_kind check (kind in ('relay', 'platform', 'notice', 'stop_reply', 'code')),
    constraint message_state check (state in
        ('queued', 'sending', 'accepted', 'delivered', 'undelivered', 'refused', 'parked', 'expired')),
    constraint reason_when_stopped check ((state in ('refused', 'parked', 'expired', 'undelivered')) = (reason is not null)),
    constraint accepted_when_taken check ((state in ('accepted', 'delivered', 'undelivered')) = (accepted_at is not null)),
    constraint delivered_when_there check ((state = 'delivered') = (delivered_at is not null)),
    constraint conversation_has_a_leg check (kind not in ('relay', 'platform') or state = 'refused'
        or (session_id is not null and to_participant is not null and leg_no is not null))
) partition by range (id);
create table message_default partition of message default;
-- what a close must refuse: close_2_unsent. Texts of one session: list_messages
create index message_by_session on message (bucket, session_id, id) where session_id is not null;
-- what a STOP must refuse: stop_2_unsent
create index message_unsent_to on message (bucket, to_participant) where state in ('queued', 'sending', 'parked');
-- what has stood parked for too long: parked_too_long
create index message_parked on message (bucket, changed_at) where state = 'parked';

-- Deleted when the text has left: the only place that holds a text, and only sealed. `phase` says who may touch the row:
-- queued (the door), sending (whoever holds the answer), unresolved (upkeep, looking for the fate of an ambiguous send),
-- parked (a person with a button).
create table outbox (
    bucket smallint not null,
    message_id uuid not null,
    account_id uuid not null,
    session_id uuid,
    to_participant uuid,
    leg_no bigint,
    party_index bytea not null,
    kind text not null,
    number_id uuid not null,
    segments smallint not null,
    sealed_phone bytea not null,
    sealed_text bytea not null,
    transit_id integer not null,
    phase text not null default 'queued',
    asked smallint not null default 0,
    arrived_at timestamptz not null,
    due_at timestamptz not null,
    deadline_at timestamptz not null,
    primary key (bucket, message_id),
    constraint outbox_phase check (phase in ('queued', 'sending', 'unresolved', 'parked'))
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);
-- what is due: due
create index outbox_due on outbox (bucket, due_at) where phase = 'queued';
-- the head of a leg: due
create index outbox_leg on outbox (bucket, session_id, to_participant, leg_no) where phase in ('queued', 'sending');
-- upkeep: unresolved, overdue, abandoned
create index outbox_unresolved on outbox (bucket, due_at) where phase = 'unresolved';
create index outbox_deadline on outbox (bucket, deadline_at) where phase in ('queued', 'parked');
create index outbox_sending on outbox (bucket) where phase = 'sending';
-- what waits for a person: unsent_to, forget_people
create index outbox_by_party on outbox (bucket, party_index);

create table attempt (
    bucket smallint not null,
    id uuid not null,
    message_id uuid not null,
    n integer not null,
    epoch bigint not null,
    begun_at timestamptz not null,
    ended_at timestamptz,
    outcome text,
    primary key (bucket, id),
    constraint attempt_outcome check (outcome in ('accepted', 'refused', 'not_sent', 'not_begun', 'ambiguous')),
    constraint attempt_ended_whole check ((outcome is null) = (ended_at is null))
) partition by range (id);
create table attempt_default partition of attempt default;
-- the open attempt of a message: abandoned, unresolved
create index attempt_by_message on attempt (bucket, message_id);

-- One row per change of state: what the audit log and the account's webhooks are fed from.
create table event (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    type text not null,
    session_id uuid,
    participant_id uuid,
    message_id uuid,
    number_id uuid,
    reason text,
    at timestamptz not null,
    primary key (bucket, id),
    constraint event_type check (type ~ '^[a-z]+\.[a-z_]+$')
) partition by range (id);
create table event_default partition of event default;
