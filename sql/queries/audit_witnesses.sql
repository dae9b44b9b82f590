-- Witnesses of an account's log, in the account's bucket, and the newest cosignature of each.

-- name: add
-- $1 bucket $2 account $3 id $4 key $5 now $6 how many an account may have. One that is there stays as it is
insert into audit_witness (bucket, id, account_id, key, added_at)
select $1::smallint, $3::uuid, $2::uuid, $4::text, $5::timestamptz
 where (select count(*) from audit_witness w where w.bucket = $1::smallint and w.account_id = $2::uuid) < $6::bigint
    on conflict do nothing;

-- name: list
-- $1 bucket $2 account. Oldest first
select w.id, w.key, w.added_at, w.size, w.checkpoint, w.signature, w.signed_at from audit_witness w
 where w.bucket = $1::smallint and w.account_id = $2::uuid order by w.id;

-- name: remove
-- $1 bucket $2 account $3 id
delete from audit_witness w where w.bucket = $1::smallint and w.account_id = $2::uuid and w.id = $3::uuid
returning w.id;

-- name: take
-- $1 bucket $2 account $3 id $4 size $5 checkpoint $6 signature $7 when the witness signed. Never in the place of one of a larger head,
-- nor of a later one of the same
update audit_witness w set size = $4::bigint, checkpoint = $5::text, signature = $6::text, signed_at = $7::timestamptz
 where w.bucket = $1::smallint and w.account_id = $2::uuid and w.id = $3::uuid
   and (w.size is null or w.size < $4::bigint or (w.size = $4::bigint and w.signed_at < $7::timestamptz));

-- name: log
-- $1 bucket $2 account. Which log it is, and how long
select t.origin, t.size from audit_tree t where t.bucket = $1::smallint and t.account_id = $2::uuid;
