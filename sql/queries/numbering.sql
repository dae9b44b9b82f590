-- Beside the events: which of them the account's endpoints were given, and their numbers within their sessions. Reads
-- what the hot path wrote and asks nothing of it. `(select ...) is null` where one would write `not exists`: see the
-- queries that seal.

-- name: looked_to
-- $1 bucket. How far its events were looked through
select n.looked_to from numbering n where n.bucket = $1::smallint;

-- name: look
-- $1 bucket $2 behind this id $3 limit $4 families that are not told of | $5 accounts $6 since when they have
-- endpoints. One step through the events: where it ended, and which of these accounts' have no number
with seen as materialized (
    select e.id, e.account_id, e.type, e.at from event e where e.bucket = $1::smallint and e.id > $2::uuid order by e.id limit $3
)
select (select seen.id from seen order by seen.id desc limit 1) as last,
       (select count(*) from seen) as seen,
       array(select seen.id from seen
               join unnest($5::uuid[], $6::timestamptz[]) as t(account_id, since) on t.account_id = seen.account_id
              where seen.at > t.since and split_part(seen.type, '.', 1) <> all ($4::text[])
                and (select n.event_id from numbered_event n where n.bucket = $1::smallint and n.event_id = seen.id) is null
              order by seen.id) as fresh;

-- name: begin
-- $1 bucket $2 where the next look begins; earlier than the last when a clock was set back. One gives numbers at a time
-- in a bucket
insert into numbering (bucket, looked_to) values ($1::smallint, $2::timestamptz)
    on conflict (bucket) do update set looked_to = excluded.looked_to;

-- name: lock
-- $1 bucket $2 now. The same, for who gives one event a number and has not looked
insert into numbering as n (bucket, looked_to) values ($1::smallint, $2::timestamptz)
    on conflict (bucket) do update set looked_to = n.looked_to;

-- name: facts
-- $1 bucket | $2 event ids. Its own snapshot: what of these has no number yet, now that nobody else gives any
select e.id, e.account_id, e.type, e.at, e.session_id, e.participant_id, e.message_id, e.number_id, e.verification_id, e.endpoint_id,
       e.rule_id, e.reason
  from event e
 where e.bucket = $1::smallint and e.id = any ($2::uuid[])
   and (select n.event_id from numbered_event n where n.bucket = $1::smallint and n.event_id = e.id) is null
 order by e.id;

-- name: count_on
-- $1 bucket | $2 sessions $3 how many numbers each needs. The last of them
insert into session_sequence as q (bucket, session_id, last)
select $1::smallint, t.session_id, t.needs from unnest($2::uuid[], $3::bigint[]) as t(session_id, needs) order by t.session_id
    on conflict (bucket, session_id) do update set last = q.last + excluded.last
returning session_id, last;

-- name: number
-- $1 bucket | $2 event ids $3 their numbers
insert into numbered_event (bucket, event_id, n)
select $1::smallint, t.event_id, t.n from unnest($2::uuid[], $3::bigint[]) as t(event_id, n)
    on conflict (bucket, event_id) do nothing;

-- name: read
-- $1 bucket | $2 event ids. Events as endpoints are told of them
select e.id, e.account_id, e.type, e.at, e.session_id, e.participant_id, e.message_id, e.number_id, e.verification_id, e.endpoint_id,
       e.rule_id, e.reason,
       (select q.n from numbered_event q where q.bucket = $1::smallint and q.event_id = e.id) as n
  from event e
 where e.bucket = $1::smallint and e.id = any ($2::uuid[])
 order by e.id desc;

-- name: page
-- $1 bucket $2 account $3 before this id $4 looked through at most $5 families that are not told of $6 type, or null $7
-- session, or null. Newest first: where the look ended, and the account's
with seen as materialized (
    select e.id, e.account_id, e.type, e.session_id from event e
     where e.bucket = $1::smallint and e.id < $3::uuid order by e.id desc limit $4
)
select (select seen.id from seen order by seen.id limit 1) as last,
       (select count(*) from seen) as seen,
       array(select seen.id from seen
              where seen.account_id = $2::uuid and split_part(seen.type, '.', 1) <> all ($5::text[])
                and ($6::text is null or seen.type = $6::text) and ($7::uuid is null or seen.session_id = $7::uuid)
              order by seen.id desc) as ids;
