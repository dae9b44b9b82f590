-- Accounts, connections, pools and numbers: small reference tables that hardly ever change and are cached in every process.
-- What changes with use, or must change in an emergency, is a row in a bucket instead: api_key, number_state.

-- One row. Grows with every change of a reference table, so that a process can ask cheaply whether its cache is old.
create table configuration (
    id smallint primary key default 1,
    version bigint not null default 1,
    constraint configuration_is_one_row check (id = 1)
);
insert into configuration default values;

-- What each key of the keyring answers to a fixed question: tells a wrong keyring before it seals anything.
create table keyring_check (
    purpose text not null,
    key_id integer not null,
    answer bytea not null,
    primary key (purpose, key_id)
);

create table account (
    id uuid primary key,
    bucket smallint not null,
    name text not null,
    programme text not null default '',
    help_contact text not null default '',
    language text not null default 'en',
    notices jsonb not null default '{}',
    on_ambiguous text not null default 'park',
    allowed_countries text[] not null default '{}',
    default_expires_in integer not null default 86400,
    default_idle_timeout integer,
    default_cool_down integer not null default 259200,
    created_at timestamptz not null,
    constraint account_name_taken unique (name),
    constraint account_on_ambiguous check (on_ambiguous in ('park', 'resend')),
    constraint account_bucket check (bucket between 0 and 1023)
);

create table connection (
    id uuid primary key,
    account_id uuid not null references account (id),
    provider text not null,
    sealed_credentials bytea not null,
    key_id integer not null,
    created_at timestamptz not null
);

create table pool (
    id uuid primary key,
    account_id uuid not null references account (id),
    bucket smallint not null,
    name text not null,
    status text not null default 'preparing',
    created_at timestamptz not null,
    constraint pool_name_taken unique (account_id, name),
    constraint pool_status check (status in ('preparing', 'ready')),
    constraint pool_bucket check (bucket between 0 and 1023)
);

create table number (
    id uuid primary key,
    account_id uuid not null references account (id),
    pool_id uuid not null references pool (id),
    connection_id uuid not null references connection (id),
    e164 text not null,
    country text not null,
    area_code text not null,
    kind text not null,
    rate double precision not null,
    created_at timestamptz not null,
    constraint number_taken unique (account_id, e164),
    constraint number_kind check (kind in ('long_code', 'toll_free', 'short_code')),
    constraint number_rate check (rate > 0 and rate <= 10000)
);
create index number_by_pool on number (pool_id);

-- Buckets in which texts to a number were recorded before it came to its present pool: a webhook of then that is played
-- again must be recognised there.
create table former_number (
    account_id uuid not null,
    e164 text not null,
    bucket smallint not null,
    primary key (account_id, e164, bucket)
);

create table number_state (
    bucket smallint not null,
    number_id uuid not null,
    account_id uuid not null,
    state text not null,
    changed_at timestamptz not null,
    primary key (bucket, number_id),
    constraint number_state_known check (state in ('ready', 'reserved', 'draining', 'quarantined', 'unregistered'))
);

create table api_key (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    name text not null,
    secret_hash bytea not null,
    scopes text[] not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    primary key (bucket, id),
    constraint api_key_scopes check (cardinality(scopes) > 0
        and scopes <@ array['sessions', 'numbers', 'webhooks', 'privacy', 'audit', 'admin']),
    constraint api_key_hash check (octet_length(secret_hash) = 32)
);
