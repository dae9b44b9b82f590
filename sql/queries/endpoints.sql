-- The account's own addresses, which are told what happens. Read whole into the configuration's cache; here is what
-- writes them.

-- name: add
-- $1 account's bucket $2 id $3 account $4 events $5 sealed settings $6 key id $7 now $8 event id $9 how many there may
-- be. No row = it was there, or there are so many
with n as (
    insert into endpoint (id, account_id, events, status, changed_at, sealed_settings, key_id, created_at)
    select $2::uuid, $3::uuid, $4::text[], 'enabled', $7::timestamptz, $5::bytea, $6::int, $7::timestamptz
     where (select count(*) from endpoint o where o.account_id = $3::uuid) < $9::bigint
        on conflict (id) do nothing
    returning id, account_id
), e as (
    insert into event (bucket, id, account_id, type, endpoint_id, at)
    select $1::smallint, $8::uuid, n.account_id, 'webhook.enabled', n.id, $7::timestamptz from n
)
select id from n;

-- name: lock
-- $1 account $2 id. The row as it is now, so that two changes at once do not undo each other
select id, account_id, events, status, disabled_reason, changed_at, sealed_settings, key_id, created_at
  from endpoint where id = $2 and account_id = $1 for update;

-- name: change
-- $1 account $2 id $3 events $4 sealed settings $5 key id
update endpoint set events = $3, sealed_settings = $4, key_id = $5 where id = $2 and account_id = $1;

-- name: set_status
-- $1 account's bucket $2 account $3 id $4 status $5 reason, of a disabled one $6 now $7 event id. Told when it is
-- another than before
with n as (
    update endpoint set status = $4::text, disabled_reason = $5::text, changed_at = $6::timestamptz
     where id = $3::uuid and account_id = $2::uuid and status <> $4::text
    returning id, account_id
), h as (
    delete from endpoint_health using n where endpoint_health.bucket = $1::smallint and endpoint_health.endpoint_id = n.id
), e as (
    insert into event (bucket, id, account_id, type, endpoint_id, reason, at)
    select $1::smallint, $7::uuid, n.account_id, 'webhook.' || $4::text, n.id, $5::text, $6::timestamptz from n
)
select id from n;

-- name: remove
-- $1 account's bucket $2 account $3 id $4 now $5 event id. What waited for it goes with its events
with n as (
    delete from endpoint where id = $3::uuid and account_id = $2::uuid returning id, account_id
), h as (
    delete from endpoint_health using n where endpoint_health.bucket = $1::smallint and endpoint_health.endpoint_id = n.id
), e as (
    insert into event (bucket, id, account_id, type, endpoint_id, reason, at)
    select $1::smallint, $5::uuid, n.account_id, 'webhook.disabled', n.id, 'removed', $4::timestamptz from n
)
select id from n;

-- name: failing_since
-- $1 account's bucket $2 id
select h.failing_since from endpoint_health h where h.bucket = $1::smallint and h.endpoint_id = $2::uuid;

-- name: took
-- $1 account's bucket $2 id. It has taken something
update endpoint_health set failing_since = null
 where bucket = $1::smallint and endpoint_id = $2::uuid and failing_since is not null;

-- name: failed
-- $1 account's bucket $2 id $3 now. It has not; since when, if it takes nothing any more
insert into endpoint_health as h (bucket, endpoint_id, failing_since) values ($1::smallint, $2::uuid, $3::timestamptz)
    on conflict (bucket, endpoint_id) do update set failing_since = coalesce(h.failing_since, excluded.failing_since);
