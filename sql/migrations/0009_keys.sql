-- Keys come, seal for a week or a day, and are destroyed. A row stays when its key is gone: it says that it is gone for good.

alter table keyring_check
    add column use_from timestamptz,
    add column in_use boolean not null default false,
    add column in_use_since timestamptz,
    add column destroyed_at timestamptz,
    add column told_of_use boolean not null default false,
    add column told_of_end boolean not null default false;
update keyring_check set in_use = true, told_of_use = true;

-- Which process has which keys in memory. A row is a sign of life, as in process; but those that only serve the API are here, too.
create table keyholder (
    owner uuid primary key,
    until timestamptz not null,
    holds text[] not null,
    seals text[] not null
);

-- A person who is known under a newer key by now. The row goes when no text on its way is checked against it any more.
alter table person add column superseded boolean not null default false;
alter table inbox_key add column key_id integer not null default 1; -- stays: processes of the version before go on writing

-- Held for the length of a transaction by whoever deals with one person, text or request, while there are several keys to name it by.
create table turn (
    bucket smallint not null,
    name bytea not null,
    at timestamptz not null,
    primary key (bucket, name)
);
create index turn_old on turn (bucket, at);

alter table fanout
    add column other_indexes bytea[] not null default '{}',
    add column other_key_ids integer[] not null default '{}';
