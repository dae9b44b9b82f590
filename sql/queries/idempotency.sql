-- name: begin
-- $1 bucket $2 account $3 key $4 fingerprint $5 entropy $6 now $7 lease until. A row back = do the work, with this seed
insert into idempotency as i (bucket, account_id, key, fingerprint, entropy, created_at, lease_until)
values ($1::smallint, $2::uuid, $3::bytea, $4::bytea, $5::bytea, $6::timestamptz, $7::timestamptz)
    on conflict (bucket, account_id, key) do update set lease_until = excluded.lease_until
 where i.status is null and i.lease_until <= $6::timestamptz and i.fingerprint = excluded.fingerprint
returning i.entropy, i.created_at;

-- name: read
-- $1 bucket $2 account $3 key. What stands there when the work is not ours to do
select fingerprint, entropy, created_at, status, sealed_answer, transit_id
  from idempotency where bucket = $1::smallint and account_id = $2::uuid and key = $3::bytea;

-- name: finish
-- $1 bucket $2 account $3 key $4 status $5 sealed answer $6 transit id
update idempotency set status = $4::smallint, sealed_answer = $5::bytea, transit_id = $6::int
 where bucket = $1::smallint and account_id = $2::uuid and key = $3::bytea and status is null;

-- name: let_go
-- $1 bucket $2 account $3 key $4 now. Nothing came of it: the next try may begin at once
update idempotency set lease_until = $4::timestamptz
 where bucket = $1::smallint and account_id = $2::uuid and key = $3::bytea and status is null;

-- name: forget
-- $1 bucket $2 a day ago $3 limit
with old as (
    select account_id, key from idempotency where bucket = $1::smallint and created_at <= $2::timestamptz limit $3
)
delete from idempotency i using old
 where i.bucket = $1::smallint and i.account_id = old.account_id and i.key = old.key and i.created_at <= $2::timestamptz
returning i.key;
