-- The sandbox's panel: rows as they lie in the tables, for people to look at and for the tour to search. Nothing is changed.

-- name: session
-- $1 bucket $2 session id
select id, account_id, status, created_at, expires_at, last_message_at, closed_at, close_reason
  from session where bucket = $1::smallint and id = $2::uuid;

-- name: participants
-- $1 bucket $2 session id. Of what is sealed or hashed, the first bytes; and until when the number is held
select p.id, p.slot, p.label, p.status, n.e164 as number, coalesce(e.opted_out, false) as opted_out,
       substring(p.party_index from 1 for 6) as index_start, substring(p.sealed_phone from 1 for 6) as phone_start,
       octet_length(p.sealed_phone) as phone_bytes, p.epoch_id, b.number_id is not null as held,
       nullif(b.held_until, 'infinity') as held_until
  from participant p
  left join number n on n.id = p.number_id
  left join person e on e.bucket = $1::smallint and e.party_index = p.party_index
  left join binding b on b.bucket = $1::smallint and b.participant_id = p.id and b.session_id = p.session_id
 where p.bucket = $1::smallint and p.session_id = $2::uuid
 order by p.slot, p.id;

-- name: messages
-- $1 bucket $2 session $3 account $4 since $5 limit. Newest first; STOP and the like name no session, so they are taken by time
select m.id, m.kind, m.from_participant, m.to_participant, m.state, m.reason, m.segments, m.received_at,
       (select a.outcome from attempt a where a.bucket = $1::smallint and a.message_id = m.id
         order by a.n desc limit 1) as last_outcome
  from message m
 where m.bucket = $1::smallint and m.account_id = $3::uuid
   and (m.session_id = $2::uuid or (m.session_id is null and m.received_at >= $4::timestamptz))
 order by m.id desc limit $5;

-- name: outbox
-- $1 bucket $2 session $3 account $4 since. All that waits to leave, each row with the start of its sealed text
select message_id, kind, phase, substring(sealed_phone from 1 for 6) as phone_start,
       octet_length(sealed_phone) as phone_bytes, substring(sealed_text from 1 for 12) as text_start,
       octet_length(sealed_text) as text_bytes, transit_id, due_at
  from outbox
 where bucket = $1::smallint and account_id = $3::uuid
   and (session_id = $2::uuid or (session_id is null and arrived_at >= $4::timestamptz))
 order by message_id;

-- name: events
-- $1 bucket $2 session $3 account $4 since $5 limit. Newest first; opting out concerns no one session, so it is taken by time
select id, type, participant_id, message_id, reason, at
  from event
 where bucket = $1::smallint and account_id = $3::uuid
   and (session_id = $2::uuid or (session_id is null and at >= $4::timestamptz))
 order by id desc limit $5;

-- name: tables
-- Every table that holds rows of its own; a partitioned one is there through its partitions
select relname from pg_catalog.pg_class
 where relkind = 'r' and relnamespace = 'public'::regnamespace
 order by relname;
