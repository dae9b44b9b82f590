-- Exports of an account's log, in the account's bucket: what was asked for, and what a pack is made of.

-- name: run_within
-- $1 bucket $2 account $3 size $4 since or null $5 until or null. The shortest run that holds every entry dated within; no entry: null
select min(a.n) as first_n, max(a.n) + 1 as end_n from audit_entry a
 where a.bucket = $1::smallint and a.account_id = $2::uuid and a.n < $3::bigint
   and ($4::timestamptz is null or a.at >= $4::timestamptz) and ($5::timestamptz is null or a.at < $5::timestamptz);

-- name: ask
-- $1 bucket $2 now $3 id $4 account $5 API key or null $6 checkpoint $7 first index $8 index behind the last $9 since $10 until
-- $11 retention report $12 event id $13 witnessed head or null. That the log is exported is an event; what was asked for before is
-- not asked for again
with x as (
    insert into audit_export (bucket, id, account_id, asked_at, asked_by, checkpoint, first_n, end_n, since, until, retention,
                              cosigned)
    values ($1::smallint, $3::uuid, $4::uuid, $2::timestamptz, $5::uuid, $6::text, $7::bigint, $8::bigint, $9::timestamptz,
            $10::timestamptz, $11::jsonb, $13::text)
        on conflict (bucket, id) do nothing
    returning account_id
)
insert into event (bucket, id, account_id, type, at)
select $1::smallint, $12::uuid, x.account_id, 'audit.exported', $2::timestamptz from x;

-- name: asked
-- $1 bucket $2 account, or null for whoever was given its link $3 id $4 older ones are as good as gone
select x.id, x.account_id, x.asked_at, x.checkpoint, x.first_n, x.end_n, x.since, x.until, x.retention, x.cosigned
  from audit_export x
 where x.bucket = $1::smallint and x.id = $3::uuid and ($2::uuid is null or x.account_id = $2::uuid) and x.asked_at > $4::timestamptz;

-- name: entries
-- $1 bucket $2 account $3 from this index on $4 up to, not including, this one. What they still stand for
select a.n, a.salt, a.record from audit_entry a
 where a.bucket = $1::smallint and a.account_id = $2::uuid and a.n >= $3::bigint and a.n < $4::bigint and a.record is not null
 order by a.n;

-- name: forget
-- $1 bucket $2 asked before $3 limit
delete from audit_export x using (select id from audit_export
                                   where bucket = $1::smallint and asked_at <= $2::timestamptz
                                   order by asked_at limit $3) as old
 where x.bucket = $1::smallint and x.id = old.id
returning x.id;
