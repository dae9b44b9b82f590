-- Beside the events: which of them are in their account's log already, and what of them goes into it. Reads what the hot path wrote
-- and asks nothing of it. `(select ...) is null` where one would write `not exists`: that becomes a join, and its plan, made while a
-- table was empty, reads all of a bucket for every row.

-- name: looked_to
-- $1 bucket $2 account. How far the events of this bucket were looked through
select s.looked_to from sealing s where s.bucket = $1::smallint and s.account_id = $2::uuid;

-- name: look
-- $1 bucket $2 account $3 behind this id $4 limit. One step through the events: where it ended, and which of the account's are not sealed
with seen as materialized (
    select e.id, e.account_id from event e where e.bucket = $1::smallint and e.id > $3::uuid order by e.id limit $4
)
select (select seen.id from seen order by seen.id desc limit 1) as last,
       (select count(*) from seen) as seen,
       array(select seen.id from seen
              where seen.account_id = $2::uuid
                and (select s.event_id from sealed_event s where s.bucket = $1::smallint and s.event_id = seen.id) is null
              order by seen.id) as unsealed;

-- name: unsealed
-- $1 bucket | $2 event ids. Which of these are there and not sealed
select e.id, e.account_id from event e
 where e.bucket = $1::smallint and e.id = any ($2::uuid[])
   and (select s.event_id from sealed_event s where s.bucket = $1::smallint and s.event_id = e.id) is null
 order by e.id;

-- name: facts
-- $1 bucket | $2 event ids. Events with what their messages say, and whether their sessions are erased. Of a text also the number
-- by which it came, or leaves: the one that whom the event names texts; a new text of the platform's names its recipient
select e.id, e.account_id, e.type, e.at, e.session_id, e.participant_id, e.message_id, e.number_id, e.verification_id, e.rule_id,
       e.reason,
       (select m.kind from message m where m.bucket = $1::smallint and m.id = e.message_id) as kind,
       (select m.segments from message m where m.bucket = $1::smallint and m.id = e.message_id) as segments,
       (select m.received_at = e.at from message m where m.bucket = $1::smallint and m.id = e.message_id) as on_arrival,
       (select p.number_id from participant p
         where p.bucket = $1::smallint and e.message_id is not null
           and p.id = coalesce(e.participant_id, (select m.to_participant from message m
                                                   where m.bucket = $1::smallint and m.id = e.message_id))) as carried_by,
       (select s.close_reason = 'erased' from session s where s.bucket = $1::smallint and s.id = e.session_id) as erased
  from event e
 where e.bucket = $1::smallint and e.id = any ($2::uuid[])
 order by e.id;

-- name: mark
-- $1 bucket | $2 event ids $3 whether what their sessions said was erased. They are sealed, but for those whose session was erased since
insert into sealed_event (bucket, event_id)
select $1::smallint, e.id
  from unnest($2::uuid[], $3::boolean[]) as t(event_id, erased)
  join event e on e.bucket = $1::smallint and e.id = t.event_id
 where t.erased
    or (select s.id from session s
         where s.bucket = $1::smallint and s.id = e.session_id and s.close_reason = 'erased') is null
 order by e.id
    on conflict (bucket, event_id) do nothing;

-- name: go_on_from
-- $1 bucket $2 account $3 time. Where the next look begins; earlier than the last when a clock was set back
insert into sealing (bucket, account_id, looked_to) values ($1::smallint, $2::uuid, $3::timestamptz)
    on conflict (bucket, account_id) do update set looked_to = excluded.looked_to;
