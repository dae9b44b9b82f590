-- What carriers still hold of texts: their own name of each, until it is deleted there.

-- An inbound's id is its own, an outbound's that of the attempt which the carrier took. No foreign key: the row outlives its message
-- and its session, because what the carrier keeps does.
create table redaction (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    connection_id uuid not null,
    sealed_provider_id bytea not null,
    redaction_id integer not null,
    since timestamptz not null,
    due_at timestamptz not null,
    tries integer not null default 0,
    primary key (bucket, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);
-- what is to be deleted now: due
create index redaction_due on redaction (bucket, due_at);
