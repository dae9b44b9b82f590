-- Templates, texts for later, a word before a session ends, and closing many sessions at once.

-- Texts with variables in them, in the account's bucket: read when one is used, so that a change holds at once everywhere.
create table template (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    name text not null,
    text text not null,
    language text,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (bucket, id)
);
create unique index template_name_taken on template (bucket, account_id, name);
-- an account's templates, newest first: list
create index template_by_account on template (bucket, account_id, id);

-- A text for later waits beside its leg: it has its place there only once it is due, so that nothing waits for it before.
alter table message add column send_at timestamptz;
alter table message drop constraint conversation_has_a_leg;
alter table message add constraint conversation_has_a_leg check (kind not in ('relay', 'platform') or state = 'refused'
    or (session_id is not null and to_participant is not null and (leg_no is not null or send_at is not null))) not valid;
alter table outbox drop constraint outbox_phase;
alter table outbox add constraint outbox_phase check (phase in ('queued', 'sending', 'unresolved', 'parked', 'scheduled'));
-- texts whose time has come: scheduling.due
create index outbox_scheduled on outbox (bucket, due_at) where phase = 'scheduled';

-- When a service notice is not wanted, by the clock of whoever gets it; the same twice = there is no such time.
alter table account add column quiet_from time not null default '21:00';
alter table account add column quiet_to time not null default '08:00';

-- How long before its end a session's owner is told of it, in seconds, and when that is; null = told, or not to be told.
alter table account add column default_expiring_notice integer not null default 600;
alter table session add column expiring_notice integer not null default 600;
alter table session add column expiring_at timestamptz;
-- sessions that are about to end: sessions.expiring
create index session_expiring on session (bucket, expiring_at) where status = 'open' and expiring_at is not null;

-- Many sessions that are to be closed, as it was asked: in the account's bucket, with the buckets that it is to be spread to.
create table bulk_close (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    asked_at timestamptz not null,
    pool_id uuid,
    name_prefix text,
    created_before timestamptz,
    idle_since timestamptz,
    buckets smallint[] not null,
    is_spread boolean not null default false,
    primary key (bucket, id)
);
-- upkeep: unspread, forget
create index bulk_close_unspread on bulk_close (bucket) where not is_spread;
create index bulk_close_old on bulk_close (bucket, asked_at);

-- The same, in each bucket where there may be such sessions, and how far it has come there: `after` is the last one looked at.
create table bulk_close_part (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    asked_at timestamptz not null,
    pool_id uuid,
    name_prefix text,
    created_before timestamptz,
    idle_since timestamptz,
    matched bigint not null,
    closed bigint not null default 0,
    after uuid not null default '00000000-0000-0000-0000-000000000000',
    done_at timestamptz,
    primary key (bucket, id),
    constraint bulk_close_counts check (matched >= 0 and closed >= 0)
);
-- upkeep: unfinished, forget
create index bulk_close_part_unfinished on bulk_close_part (bucket) where done_at is null;
create index bulk_close_part_old on bulk_close_part (bucket, asked_at);
-- open sessions of an account, oldest first: bulk_close.candidates
create index session_open on session (bucket, account_id, id) where status = 'open';
