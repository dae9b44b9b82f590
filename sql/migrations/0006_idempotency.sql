-- What a POST with an Idempotency-Key was answered, so that the same request again gets the same answer. Kept for a day.
-- `entropy` and `created_at` seed the id of whatever the request makes: a crash between making it and storing the answer
-- makes the same thing again, which is nothing new.

create table idempotency (
    bucket smallint not null,
    account_id uuid not null,
    key bytea not null,
    fingerprint bytea not null,
    entropy bytea not null,
    created_at timestamptz not null,
    lease_until timestamptz not null,
    status smallint,
    sealed_answer bytea,
    transit_id integer,
    primary key (bucket, account_id, key),
    constraint answer_whole check ((status is null) = (sealed_answer is null) and (status is null) = (transit_id is null))
);
create index idempotency_old on idempotency (bucket, created_at);
