-- What endpoints have been told, are being told, and were not. Rows lie in the buckets of their events.

-- name: add
-- $1 bucket $2 now | $3 endpoints $4 events $5 accounts
insert into delivery (bucket, endpoint_id, event_id, account_id, made_at, due_at)
select $1::smallint, t.endpoint_id, t.event_id, t.account_id, $2::timestamptz, $2::timestamptz
  from unnest($3::uuid[], $4::uuid[], $5::uuid[]) as t(endpoint_id, event_id, account_id)
 order by t.endpoint_id, t.event_id
    on conflict (bucket, endpoint_id, event_id) do nothing;

-- name: again
-- $1 bucket $2 now $3 event $4 account | $5 endpoints. From the beginning, whatever became of it. The event is held
-- until then: it must not be forgotten in between
with e as materialized (
    select e.id, e.account_id from event e
     where e.bucket = $1::smallint and e.id = $3::uuid and e.account_id = $4::uuid for key share
)
insert into delivery (bucket, endpoint_id, event_id, account_id, made_at, due_at)
select $1::smallint, t.endpoint_id, e.id, e.account_id, $2::timestamptz, $2::timestamptz
  from e, unnest($5::uuid[]) as t(endpoint_id)
 order by t.endpoint_id
    on conflict (bucket, endpoint_id, event_id) do update
   set state = 'waiting', tries = 0, due_at = excluded.due_at, failure = null, last_status = null
returning endpoint_id;

-- name: with_due
-- $1 bucket $2 now | $3 endpoints. Those for which something is due
select t.endpoint_id from unnest($3::uuid[]) as t(endpoint_id)
 where (select d.due_at from delivery d
         where d.bucket = $1::smallint and d.endpoint_id = t.endpoint_id and d.state = 'waiting'
         order by d.due_at limit 1) <= $2::timestamptz;

-- name: due
-- $1 bucket $2 endpoint $3 now $4 limit. Longest due first
select d.event_id, d.tries from delivery d
 where d.bucket = $1::smallint and d.endpoint_id = $2::uuid and d.state = 'waiting' and d.due_at <= $3::timestamptz
 order by d.due_at limit $4;

-- name: settle
-- $1 bucket $2 endpoint $3 event $4 tries before this one $5 state $6 due, if it waits $7 now $8 status of the answer
-- $9 failure. None of what somebody else has settled meanwhile
update delivery set state = $5::text, tries = delivery.tries + 1, due_at = $6::timestamptz, last_at = $7::timestamptz,
                    last_status = $8::smallint, failure = $9::text
 where bucket = $1::smallint and endpoint_id = $2::uuid and event_id = $3::uuid and state = 'waiting' and tries = $4::smallint;

-- name: give_up
-- $1 bucket $2 endpoint. It is disabled: what waits for it waits no more
update delivery set state = 'failed', due_at = null, failure = 'disabled'
 where bucket = $1::smallint and endpoint_id = $2::uuid and state = 'waiting';

-- name: page
-- $1 bucket $2 account $3 endpoint $4 before this event $5 limit $6 state, or null. Newest event first
select d.event_id, d.state, d.tries, d.made_at, d.due_at, d.last_at, d.last_status, d.failure,
       (select e.type from event e where e.bucket = $1::smallint and e.id = d.event_id) as type
  from delivery d
 where d.bucket = $1::smallint and d.account_id = $2::uuid and d.endpoint_id = $3::uuid and d.event_id < $4::uuid
   and ($6::text is null or d.state = $6::text)
 order by d.event_id desc limit $5;
