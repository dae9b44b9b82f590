-- What the auditor's page shows beside the entries themselves.

-- name: head
-- $1 bucket $2 account. No row = nothing is sealed yet
select t.origin, t.reference_key, t.size, t.checkpoint, t.signed_at from audit_tree t
 where t.bucket = $1::smallint and t.account_id = $2::uuid and t.checkpoint is not null;

-- name: counts
-- $1 bucket $2 account $3 from $4 before. How many entries each day, by UTC, has of each type; erased ones have no day
select (a.at at time zone 'UTC')::date as day, a.type as event, count(a.n) as count from audit_entry a
 where a.bucket = $1::smallint and a.account_id = $2::uuid and a.at >= $3::timestamptz and a.at < $4::timestamptz
 group by 1, 2;
