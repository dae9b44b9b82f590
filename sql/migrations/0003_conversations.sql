-- Sessions, the two people in each, and the bindings that say which number a person texts for which session.

create table session (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    pool_id uuid not null,
    status text not null,
    unique_name text,
    metadata jsonb not null default '{}',
    created_at timestamptz not null,
    expires_at timestamptz not null,
    idle_timeout integer,
    idle_at timestamptz,
    cool_down integer not null,
    last_message_at timestamptz,
    last_leg_no bigint not null default 0,
    closed_at timestamptz,
    close_reason text,
    primary key (bucket, id),
    constraint session_status check (status in ('open', 'closed')),
    constraint session_close_reason check (close_reason in ('api', 'expired', 'idle', 'erased')),
    constraint session_closed_whole check ((status = 'closed') = (closed_at is not null and close_reason is not null)
        and (closed_at is null) = (close_reason is null)),
    constraint session_idle_whole check ((idle_timeout is null) = (idle_at is null)),
    constraint session_cool_down check (cool_down between 1 and 7776000)
);
-- a name is taken while its session is not closed
create unique index session_unique_name on session (bucket, pool_id, unique_name) where status = 'open';
-- expiry and idleness: sessions_ended
create index session_expires on session (bucket, expires_at) where status = 'open';
create index session_idle on session (bucket, idle_at) where status = 'open' and idle_at is not null;
-- lists of an account, newest first: list_sessions
create index session_by_account on session (bucket, account_id, id);
create index session_by_name on session (bucket, account_id, unique_name) where unique_name is not null;

-- One row per person and bucket. Opening, ingest and the door lock it for share; STOP and START change it.
create table person (
    bucket smallint not null,
    party_index bytea not null,
    key_id integer not null,
    opted_out boolean not null default false,
    changed_at timestamptz not null,
    primary key (bucket, party_index),
    constraint person_index check (octet_length(party_index) = 16)
);

create table participant (
    bucket smallint not null,
    id uuid not null,
    session_id uuid not null,
    slot smallint not null,
    status text not null,
    label text not null default '',
    party_index bytea,
    number_id uuid not null,
    sealed_phone bytea,
    epoch_id integer,
    primary key (bucket, id),
    foreign key (bucket, session_id) references session (bucket, id),
    constraint participant_status check (status in ('live', 'replaced', 'closed')),
    constraint participant_slot check (slot in (1, 2)),
    constraint phone_only_while_live check ((status = 'live') = (sealed_phone is not null)
        and (sealed_phone is null) = (epoch_id is null)),
    constraint index_while_live check (status <> 'live' or party_index is not null)
);
create index participant_by_session on participant (bucket, session_id);
create unique index participant_one_live_per_slot on participant (bucket, session_id, slot) where status = 'live';
-- a person's unsent texts when they opt out: stop_2_unsent
create index participant_by_party on participant (bucket, party_index) where party_index is not null;

-- A binding is held by one session while that is open (held_until = infinity) and while it cools down.
create table binding (
    bucket smallint not null,
    number_id uuid not null,
    party_index bytea not null,
    session_id uuid not null,
    participant_id uuid not null,
    pair_index bytea not null,
    held_until timestamptz not null,
    primary key (bucket, number_id, party_index)
);
create index binding_by_party on binding (bucket, party_index);
create index binding_by_session on binding (bucket, session_id);
-- the end of a cool-down: bindings_cooled
create index binding_cooling on binding (bucket, held_until) where held_until < 'infinity';
