-- Sessions that have closed are told to the journal beside the keyring, so that a backup from before then can be brought up to it.

alter table session add column journaled boolean not null default true;
create index session_unjournaled on session (bucket, id) where status = 'closed' and not journaled;

-- How far each journal is known here. A database that knows less than the journal tells may be an old one.
create table journal (
    id uuid primary key,
    position bigint not null
);
