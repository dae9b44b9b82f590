-- Hooks: an account's own server is asked before a text of a pool leaves, and about texts that nobody was there to get.

-- A reference table. The address may hold a token, so it is sealed together with the secret that signs.
create table pool_hook (
    id uuid primary key,
    account_id uuid not null references account (id),
    pool_id uuid not null references pool (id) on delete cascade,
    kind text not null,
    timeout smallint not null,
    on_timeout text not null,
    sealed_settings bytea not null,
    key_id integer not null,
    created_at timestamptz not null,
    constraint pool_hook_taken unique (pool_id, kind),
    constraint pool_hook_kind check (kind in ('intercept', 'out_of_session')),
    constraint pool_hook_timeout check (timeout between 1 and 10),
    constraint pool_hook_on_timeout check (on_timeout in ('allow', 'refuse'))
);

-- When somebody is to be asked whether a text may leave; null = nobody, or they have said yes. The door lets nothing else pass, and
-- until then `due_at` is the deadline, so that no look for what is due finds it.
alter table outbox add column ask_at timestamptz;
-- what is to be asked about: hooks.due
create index outbox_to_ask on outbox (bucket, ask_at) where ask_at is not null and phase = 'queued';

-- A refused text that nobody was there to get, as long as somebody is to be asked about it: seconds. `id` is its message's.
create table hook_call (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    number_id uuid not null,
    sealed_phone bytea not null,
    sealed_text bytea not null,
    transit_id integer not null,
    made_at timestamptz not null,
    primary key (bucket, id)
);
-- hook_calls.due, upkeep: forget
create index hook_call_made on hook_call (bucket, made_at, id);
