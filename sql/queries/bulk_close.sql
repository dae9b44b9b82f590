-- Closing many sessions: what was asked for, in the account's bucket, and how far it has come in each bucket of its pools.

-- name: ask
-- $1 bucket $2 now $3 id $4 account $5 pool $6 name prefix $7 created before $8 idle since $9 buckets. What was asked for before
-- is not asked for again
insert into bulk_close (bucket, id, account_id, asked_at, pool_id, name_prefix, created_before, idle_since, buckets)
values ($1::smallint, $3::uuid, $4::uuid, $2::timestamptz, $5::uuid, $6::text, $7::timestamptz, $8::timestamptz,
        $9::smallint[])
    on conflict (bucket, id) do nothing;

-- name: asked
-- $1 bucket $2 account $3 id. Foreign and unknown ids both give no row
select id, account_id, asked_at, pool_id, name_prefix, created_before, idle_since, buckets, is_spread from bulk_close
 where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid;

-- name: unspread
-- $1 bucket $2 limit. What a crash has left half told
select id, account_id, asked_at, pool_id, name_prefix, created_before, idle_since, buckets, is_spread from bulk_close
 where bucket = $1::smallint and not is_spread order by id limit $2;

-- name: is_spread
-- $1 bucket $2 id. Every one of its buckets knows of it
update bulk_close set is_spread = true where bucket = $1::smallint and id = $2::uuid;

-- name: count
-- $1 bucket $2 account $3 opened until $4 pool $5 name prefix $6 created before $7 idle since. How many sessions are meant
select count(*) from session s
 where s.bucket = $1::smallint and s.account_id = $2::uuid and s.status = 'open' and s.created_at <= $3::timestamptz
   and ($4::uuid is null or s.pool_id = $4::uuid)
   and ($5::text is null or starts_with(s.unique_name, $5::text))
   and ($6::timestamptz is null or s.created_at < $6::timestamptz)
   and ($7::timestamptz is null or coalesce(s.last_message_at, s.created_at) < $7::timestamptz);

-- name: take_up
-- $1 bucket $2 id $3 account $4 asked at $5 pool $6 name prefix $7 created before $8 idle since $9 how many are meant
insert into bulk_close_part (bucket, id, account_id, asked_at, pool_id, name_prefix, created_before, idle_since, matched)
values ($1::smallint, $2::uuid, $3::uuid, $4::timestamptz, $5::uuid, $6::text, $7::timestamptz, $8::timestamptz, $9::bigint)
    on conflict (bucket, id) do nothing;

-- name: unfinished
-- $1 bucket. One that has something left to do here
select id from bulk_close_part where bucket = $1::smallint and done_at is null order by id limit 1;

-- name: lock_part
-- $1 bucket $2 id. One batch at a time; no row = it is done
select id, account_id, asked_at, pool_id, name_prefix, created_before, idle_since, after from bulk_close_part
 where bucket = $1::smallint and id = $2::uuid and done_at is null for update;

-- name: candidates
-- $1 bucket $2 account $3 opened until $4 pool $5 name prefix $6 created before $7 idle since $8 after this one $9 limit. Ids begin
-- with their time: whoever has got past one does not meet it again
select s.id from session s
 where s.bucket = $1::smallint and s.account_id = $2::uuid and s.status = 'open' and s.created_at <= $3::timestamptz
   and ($4::uuid is null or s.pool_id = $4::uuid)
   and ($5::text is null or starts_with(s.unique_name, $5::text))
   and ($6::timestamptz is null or s.created_at < $6::timestamptz)
   and ($7::timestamptz is null or coalesce(s.last_message_at, s.created_at) < $7::timestamptz)
   and s.id > $8::uuid
 order by s.id limit $9;

-- name: lock_sessions
-- $1 bucket $2 idle since | $3 session ids. Again under lock: it may have been closed since, or somebody may have spoken
select id from session
 where bucket = $1::smallint and id = any ($3::uuid[]) and status = 'open'
   and ($2::timestamptz is null or coalesce(last_message_at, created_at) < $2::timestamptz)
 order by id for no key update;

-- name: advance
-- $1 bucket $2 id $3 the last one looked at $4 how many of them were closed
update bulk_close_part set after = $3::uuid, closed = closed + $4::bigint where bucket = $1::smallint and id = $2::uuid;

-- name: finish
-- $1 bucket $2 id $3 now. None is left here
update bulk_close_part set done_at = $3::timestamptz where bucket = $1::smallint and id = $2::uuid;

-- name: part
-- $1 bucket $2 id. How far it has come here
select matched, closed, done_at is not null as is_done from bulk_close_part where bucket = $1::smallint and id = $2::uuid;

-- name: forget
-- $1 bucket $2 asked before $3 limit
delete from bulk_close x using (select id from bulk_close
                                 where bucket = $1::smallint and asked_at <= $2::timestamptz and is_spread
                                 order by asked_at limit $3) as old
 where x.bucket = $1::smallint and x.id = old.id
returning x.id;

-- name: forget_parts
-- $1 bucket $2 asked before $3 limit
delete from bulk_close_part x using (select id from bulk_close_part
                                      where bucket = $1::smallint and asked_at <= $2::timestamptz and done_at is not null
                                      order by asked_at limit $3) as old
 where x.bucket = $1::smallint and x.id = old.id
returning x.id;
