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

-- What was asked about a person. `parties` says who, by keyed hashes, while an erasure is not done; afterwards nothing does.
create table privacy_request (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    kind text not null,
    operator_reason text,
    asked_at timestamptz not null,
    asked_by uuid,
    parties bytea[],
    primary key (bucket, id),
    constraint privacy_request_kind check (kind in ('access', 'erasure')),
    constraint privacy_request_reason check (operator_reason in
        ('identified_otherwise', 'legal_representative', 'authority_request', 'own_initiative')),
    constraint only_an_erasure_lasts check (parties is null or kind = 'erasure')
);
-- upkeep: unfinished, forget_requests
create index privacy_request_unfinished on privacy_request (bucket, id) where parties is not null;
create index privacy_request_old on privacy_request (bucket, asked_at);

-- Copies made for people who asked what there is about them. Sealed under a transit key, as whoever opens one knows a person.
create table privacy_export (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    party_index bytea not null,
    sealed_document bytea not null,
    transit_id integer not null,
    made_at timestamptz not null,
    primary key (bucket, id),
    foreign key (bucket, id) references privacy_request (bucket, id)
);
create index privacy_export_by_party on privacy_export (bucket, party_index);
-- upkeep: forget_exports
create index privacy_export_old on privacy_export (bucket, made_at);
