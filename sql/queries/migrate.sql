-- name: make_table
-- which migrations were applied, and what they said
create table if not exists schema_migration (
    number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null
);

-- name: make_lease
-- who is migrating; made before the first migration, so it is no migration itself
create table if not exists migration_lease (
    id smallint primary key check (id = 1), owner uuid, until timestamptz not null
);

-- name: make_lease_row
-- the one row of migration_lease
insert into migration_lease (id, until) values (1, '-infinity') on conflict (id) do nothing;

-- name: take_lease
-- $1 owner $2 now $3 until. A row back = it is mine
update migration_lease set owner = $1, until = $3 where id = 1 and (until < $2 or owner = $1) returning id;

-- name: release_lease
-- $1 owner
update migration_lease set owner = null, until = '-infinity' where id = 1 and owner = $1;

-- name: table_exists
-- is this database one of Relay's?
select to_regclass('schema_migration') is not null;

-- name: applied
-- what was applied
select number, checksum from schema_migration order by number;

-- name: record
-- $1 number $2 name $3 checksum $4 now
insert into schema_migration (number, name, checksum, applied_at) values ($1, $2, $3, $4);
