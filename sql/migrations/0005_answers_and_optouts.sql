-- What keeps Relay from answering twice a day, and what carries a STOP to every pool of an account.

-- When somebody last got an automatic answer of a kind on a number. The row goes after a day.
create table answer (
    bucket smallint not null,
    number_id uuid not null,
    party_index bytea not null,
    kind text not null,
    last_at timestamptz not null,
    primary key (bucket, number_id, party_index, kind)
);
create index answer_old on answer (bucket, last_at);

-- An account's opt-outs and opt-ins, in the account's bucket: what a new pool copies. Opted in again = kept as false, so
-- that an older STOP still on its way loses against it.
create table suppression (
    bucket smallint not null,
    account_id uuid not null,
    party_index bytea not null,
    key_id integer not null,
    opted_out boolean not null,
    changed_at timestamptz not null,
    primary key (bucket, account_id, party_index)
);

-- A STOP or START that has not reached every pool yet. Written with it, deleted when all know; upkeep finishes what a
-- crash left.
create table fanout (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    party_index bytea not null,
    key_id integer not null,
    opted_out boolean not null,
    arrived_at timestamptz not null,
    primary key (bucket, id)
);
