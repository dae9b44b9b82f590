-- Proving a phone by a code. Rows are forgotten after a day, which is also how far back sends are counted.
-- `digest` is a keyed hash under a key that is not in the database: all codes can be tried in a second, so a plain hash
-- would be the code. It goes with the last moment at which it could be compared with anything.

create table verification (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    party_index bytea not null,
    purpose text not null,
    status text not null,
    reason text,
    digest bytea,
    key_id integer,
    checks smallint not null default 0,
    last_check uuid,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    token_until timestamptz,
    used_by uuid,
    primary key (bucket, id),
    constraint verification_purpose check (purpose in ('session', 'privacy')),
    constraint verification_status check (status in ('pending', 'approved', 'failed')),
    constraint verification_checks check (checks between 0 and 5),
    constraint digest_only_while_pending check ((status = 'pending') = (digest is not null)
        and (digest is null) = (key_id is null)),
    constraint verification_reason check ((status = 'failed') = (reason is not null)),
    constraint token_only_when_approved check ((status = 'approved') = (token_until is not null)),
    constraint used_only_when_approved check (used_by is null or status = 'approved')
);
-- a new code cancels the old one: pending_of
create unique index verification_one_pending on verification (bucket, account_id, party_index, purpose)
    where status = 'pending';
-- how many codes a person was sent lately: sent_since
create index verification_by_person on verification (bucket, account_id, party_index, created_at);
-- upkeep: overdue, forget
create index verification_expires on verification (bucket, expires_at) where status = 'pending';
create index verification_old on verification (bucket, created_at);

-- Which verification an event is about.
alter table event add column verification_id uuid;

-- Whether a session in this pool takes a proof from each of its people.
alter table pool add column require_verified boolean not null default false;
