-- Witnesses of an account's audit log: whose signatures under its heads are taken, and the newest that each has given.

create table audit_witness (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    key text not null,
    added_at timestamptz not null,
    size bigint,
    checkpoint text,
    signature text,
    signed_at timestamptz,
    primary key (bucket, id),
    constraint audit_witness_once unique (bucket, account_id, key),
    constraint audit_witness_word_whole check ((size is null) = (checkpoint is null) and (size is null) = (signature is null)
        and (size is null) = (signed_at is null)),
    constraint audit_witness_size check (size > 0)
);

-- An export carries the newest head that somebody had witnessed when it was asked for.
alter table audit_export add column cosigned text;

-- sessions at the console that are over: keys.forget_sessions
create index api_key_console_over on api_key (bucket, expires_at) where name = 'console';
