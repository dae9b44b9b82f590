-- Links by which somebody without an API key gets into the console, once.

-- Each is for a key of its own, which ends with the console session and whose own secret nobody knows.
create table console_link (
    bucket smallint not null,
    key_id uuid not null,
    account_id uuid not null,
    secret_hash bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    used_by uuid,
    refused_at timestamptz,
    primary key (bucket, key_id),
    foreign key (bucket, key_id) references api_key (bucket, id),
    constraint console_link_hash check (octet_length(secret_hash) = 32),
    constraint console_link_used_whole check ((used_at is null) = (used_by is null)),
    constraint console_link_refused_after_use check (refused_at is null or used_at is not null)
);

-- How many entries a day has of each type: audit_page.counts
create index audit_entry_days on audit_entry (bucket, account_id, at, type);
