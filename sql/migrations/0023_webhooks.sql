-- Telling an account's own servers what has happened. Nothing here is written by whoever writes an event: which events
-- have been told of is marked beside them.

-- A reference table. Its address may hold a token, so it is sealed with the secrets that sign.
create table endpoint (
    id uuid primary key,
    account_id uuid not null references account (id),
    events text[] not null,
    status text not null default 'enabled',
    disabled_reason text,
    changed_at timestamptz not null,
    sealed_settings bytea not null,
    key_id integer not null,
    created_at timestamptz not null,
    constraint endpoint_status check (status in ('enabled', 'disabled')),
    constraint endpoint_disabled_reason check (disabled_reason in ('gone', 'failing', 'api')),
    constraint endpoint_disabled_whole check ((status = 'disabled') = (disabled_reason is not null)),
    constraint endpoint_events check (cardinality(events) between 1 and 50)
);

-- Since when an endpoint has taken nothing. In the account's bucket: it changes with use.
create table endpoint_health (
    bucket smallint not null,
    endpoint_id uuid not null,
    failing_since timestamptz,
    primary key (bucket, endpoint_id)
);

-- Beside the events: which of them have been given to the endpoints that there were, and their number within their
-- session. A row goes with its event.
create table numbered_event (
    bucket smallint not null,
    event_id uuid not null,
    n bigint,
    primary key (bucket, event_id)
);

-- The last number that was given in each session. A row goes with its session: events are forgotten before.
create table session_sequence (
    bucket smallint not null,
    session_id uuid not null,
    last bigint not null,
    primary key (bucket, session_id)
);

-- How far the events of a bucket were looked through: where the next look begins, not what it trusts in. Locked by
-- whoever gives numbers.
create table numbering (
    bucket smallint not null,
    looked_to timestamptz not null,
    primary key (bucket)
);

-- One event for one endpoint, and what became of it. A row goes with its event.
create table delivery (
    bucket smallint not null,
    endpoint_id uuid not null,
    event_id uuid not null,
    account_id uuid not null,
    state text not null default 'waiting',
    tries smallint not null default 0,
    made_at timestamptz not null,
    due_at timestamptz,
    last_at timestamptz,
    last_status smallint,
    failure text,
    primary key (bucket, endpoint_id, event_id),
    constraint delivery_state check (state in ('waiting', 'delivered', 'failed')),
    constraint delivery_failure check (failure in
        ('status', 'name', 'address', 'connect', 'tls', 'deadline', 'protocol', 'disabled')),
    constraint delivery_due_while_waiting check ((state = 'waiting') = (due_at is not null)),
    constraint delivery_failed_for_a_reason check (state <> 'failed' or failure is not null),
    constraint delivery_delivered_plainly check (state <> 'delivered' or failure is null)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
-- what is due, for each endpoint: has_due, due
create index delivery_due on delivery (bucket, endpoint_id, due_at) where state = 'waiting';
-- what goes with an event: forget_events
create index delivery_by_event on delivery (bucket, event_id);

-- Which endpoint an event is about.
alter table event add column endpoint_id uuid;
