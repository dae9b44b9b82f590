-- Loops and storms. Only of what a process has seen twice within a minute, or of a session that is busier than people are.

-- name: count_repeats
-- $1 bucket $2 a minute ago | $3 number ids $4 party indexes $5 kinds $6 how many more $7 when the one was said that they repeat. A
-- minute begins with that one
insert into answer as a (bucket, number_id, party_index, kind, last_at, n)
select $1::smallint, t.number_id, t.party_index, t.kind, t.before, t.n + 1
  from unnest($3::uuid[], $4::bytea[], $5::text[], $6::int[], $7::timestamptz[]) as t(number_id, party_index, kind, n, before)
 order by t.number_id, t.party_index, t.kind
    on conflict (bucket, number_id, party_index, kind) do update
       set n = case when a.last_at <= $2::timestamptz then excluded.n else a.n + excluded.n - 1 end,
           last_at = case when a.last_at <= $2::timestamptz then excluded.last_at else a.last_at end
returning a.number_id, a.party_index, a.kind, a.n;

-- name: said_lately
-- $1 bucket | $2 sessions (locked) $3 the first id of a minute ago. What people have said there, whatever became of it
select m.session_id, m.to_participant, count(*)::int as n from message m
 where m.bucket = $1::smallint and m.session_id = any ($2::uuid[]) and m.id >= $3::uuid and m.kind = 'relay'
   and m.to_participant is not null
 group by m.session_id, m.to_participant;

-- name: said_by
-- $1 bucket | $2 party indexes $3 the first id of a minute ago. What these people have said in all their open sessions
select pa.party_index, count(*)::int as n
  from participant pa
  join message m on m.bucket = $1::smallint and m.session_id = pa.session_id and m.id >= $3::uuid
   and m.from_participant = pa.id and m.kind = 'relay' and m.to_participant is not null
 where pa.bucket = $1::smallint and pa.party_index = any ($2::bytea[]) and pa.status = 'live'
 group by pa.party_index;

-- name: park
-- $1 bucket $2 now $3 deadline | $4 message ids $5 event ids
with m as (
    update message set state = 'parked', reason = 'loop', changed_at = $2::timestamptz
      from unnest($4::uuid[], $5::uuid[]) as u(id, event_id)
     where message.bucket = $1::smallint and message.id = u.id and message.state = 'queued'
    returning message.id, message.account_id, message.session_id, message.to_participant, u.event_id
), o as (
    update outbox set phase = 'parked', due_at = $3::timestamptz, deadline_at = $3::timestamptz
      from m where outbox.bucket = $1::smallint and outbox.message_id = m.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, m.event_id, m.account_id, 'message.parked', m.session_id, m.to_participant, m.id, 'loop',
           $2::timestamptz
      from m
)
select id from m;
