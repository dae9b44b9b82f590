-- Erasure that has begun and is not finished, what people asked about themselves, and the copies made for them.

-- A session of which messages are still to go. The row is written with the session's own change and goes when none is left.
create table erasure (
    bucket smallint not null,
    session_id uuid not null,
    account_id uuid not null,
    asked_at timestamptz not null,
    primary key (bucket, session_id),
    foreign key (bucket, session_id) references session (bucket, id)
);
