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
