-- Forgetting what nobody needs any more: what must be kept all the same, how far it has come, and where pools were that are gone.

-- Nothing of a held session is forgotten while its hold stands. A lifted one stays as the record of who kept what, and why, and
-- goes with its session.
create table hold (
    bucket smallint not null,
    session_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    reason text not null,
    placed_at timestamptz not null,
    placed_by uuid not null,
    lifted_at timestamptz,
    primary key (bucket, session_id),
    foreign key (bucket, session_id) references session (bucket, id),
    constraint hold_reason check (reason in
        ('accuracy_contested', 'processing_opposed', 'legal_claim', 'objection_pending', 'authority_request'))
);

-- One row per bucket. Whoever forgets something locks it, and so does whoever places a hold: what a hold found is still there when
-- it is confirmed. `passed_at` is when nothing was left to forget.
create table forgetting (
    bucket smallint not null,
    passed_at timestamptz not null default '-infinity',
    primary key (bucket)
);

-- Pools that are gone: somebody has to own their buckets, or what happened there would never be forgotten.
create table former_pool (
    account_id uuid not null,
    bucket smallint not null,
    primary key (account_id, bucket)
);

-- which sessions are old: old_sessions. Of message and event the primary key knows, because ids begin with their time
create index session_closed on session (bucket, closed_at) where status = 'closed';
-- an account's connections: remember_unknown
create index connection_by_account on connection (account_id);
