-- The audit log: one tree per account, in the account's bucket; what of its events is in it is marked where the event lies.
-- Nothing here is written by whoever writes an event.

-- One row per account. `origin` is the log's name and never changes; `reference_key` makes its references to ids.
create table audit_tree (
    bucket smallint not null,
    account_id uuid not null,
    origin text not null,
    reference_key bytea not null,
    size bigint not null default 0,
    checkpoint text,
    signed_at timestamptz,
    primary key (bucket, account_id),
    constraint audit_tree_head_whole check ((size > 0) = (checkpoint is not null) and (size > 0) = (signed_at is not null)),
    constraint audit_tree_reference_key check (octet_length(reference_key) = 32)
);

-- For good: level -1 holds leaves, 32 bytes each, level 1 and up hashes; 256 to a row, fewer in the last of a level.
create table audit_tile (
    bucket smallint not null,
    account_id uuid not null,
    level smallint not null,
    n bigint not null,
    hashes bytea not null,
    primary key (bucket, account_id, level, n),
    foreign key (bucket, account_id) references audit_tree (bucket, account_id),
    constraint audit_tile_level check (level between -1 and 7 and level <> 0),
    constraint audit_tile_whole_hashes check (octet_length(hashes) between 32 and 8192 and octet_length(hashes) % 32 = 0)
);
alter table audit_tile alter column hashes set storage external; -- hashes do not get smaller

-- What the leaves stand for. Erased whole: what is left is that there was an event. Forgotten after 13 months.
create table audit_entry (
    bucket smallint not null,
    account_id uuid not null,
    n bigint not null,
    event_id uuid not null,
    entry_ref text not null,
    session_ref text,
    type text,
    reason text,
    at timestamptz,
    salt bytea,
    record bytea,
    sealed_at timestamptz not null,
    primary key (bucket, account_id, n),
    foreign key (bucket, account_id) references audit_tree (bucket, account_id),
    constraint audit_entry_erased_whole check ((record is null) = (salt is null) and (record is null) = (type is null)
        and (record is null) = (at is null) and (record is not null or (reason is null and session_ref is null)))
);
-- an event is sealed once: enter
create unique index audit_entry_event on audit_entry (bucket, event_id);
-- an entry by its name: entry_named
create index audit_entry_named on audit_entry (bucket, account_id, entry_ref);
-- all of a session: entries_of_session, erase_session
create index audit_entry_session on audit_entry (bucket, account_id, session_ref, n) where session_ref is not null;

-- Which keys have signed a log's heads, from which size on.
create table audit_key (
    bucket smallint not null,
    account_id uuid not null,
    key_id integer not null,
    verifier text not null,
    first_size bigint not null,
    first_at timestamptz not null,
    primary key (bucket, account_id, key_id),
    foreign key (bucket, account_id) references audit_tree (bucket, account_id)
);

-- Beside the events: which of them are sealed. A row goes with its event.
create table sealed_event (
    bucket smallint not null,
    event_id uuid not null,
    primary key (bucket, event_id)
);

-- How far an account's events of a bucket were looked through: where the next look begins, not what it trusts in.
create table sealing (
    bucket smallint not null,
    account_id uuid not null,
    looked_to timestamptz not null,
    primary key (bucket, account_id)
);

-- When each API key last had a read of the log noted: one event an hour, not one a page.
create table audit_reader (
    bucket smallint not null,
    key_id uuid not null,
    noted_at timestamptz not null,
    primary key (bucket, key_id)
);
