-- Texts for later. They wait beside their leg, with no place in it, so that nothing waits for them; once due, each gets the next
-- place and is queued like any other.

-- name: write
-- $1 bucket $2 now $3 id $4 account $5 session $6 to $7 segments $8 send at $9 event id $10 party index $11 number id
-- $12 phone $13 text $14 transit id $15 deadline. Its session and its person are locked
with m as (
    insert into message (bucket, id, account_id, session_id, kind, to_participant, state, segments, received_at, changed_at,
                         send_at)
    values ($1::smallint, $3::uuid, $4::uuid, $5::uuid, 'platform', $6::uuid, 'queued', $7::smallint, $2::timestamptz,
            $2::timestamptz, $8::timestamptz)
    returning id, account_id, session_id
), o as (
    insert into outbox (bucket, message_id, account_id, session_id, to_participant, party_index, kind, number_id, segments,
                        sealed_phone, sealed_text, transit_id, phase, arrived_at, due_at, deadline_at)
    values ($1::smallint, $3::uuid, $4::uuid, $5::uuid, $6::uuid, $10::bytea, 'platform', $11::uuid, $7::smallint,
            $12::bytea, $13::bytea, $14::int, 'scheduled', $2::timestamptz, $8::timestamptz, $15::timestamptz)
), e as (
    insert into event (bucket, id, account_id, type, session_id, message_id, at)
    select $1::smallint, $9::uuid, m.account_id, 'message.received', m.session_id, m.id, $2::timestamptz from m
)
select id from m;

-- name: due
-- $1 bucket $2 now $3 limit. Texts whose time has come
select o.message_id, o.session_id from outbox o
 where o.bucket = $1::smallint and o.phase = 'scheduled' and o.due_at <= $2::timestamptz
 order by o.due_at limit $3;

-- name: lock_sessions
-- $1 bucket | $2 session ids. Nobody adds to their legs meanwhile; of a closed one nothing waits any more
select id, last_leg_no from session
 where bucket = $1::smallint and id = any ($2::uuid[]) and status = 'open'
 order by id for no key update;

-- name: ripe
-- $1 bucket | $2 message ids $3 the locked sessions. What of them still waits, in the order in which they shall leave
select o.message_id, o.account_id, o.session_id, o.sealed_phone, o.sealed_text, o.transit_id from outbox o
 where o.bucket = $1::smallint and o.message_id = any ($2::uuid[]) and o.phase = 'scheduled'
   and o.session_id = any ($3::uuid[])
 order by o.due_at, o.message_id;

-- name: release
-- $1 bucket | $2 message ids $3 leg numbers $4 phones $5 texts $6 transit ids | $7 session ids $8 last leg numbers. Not what a
-- STOP has refused meanwhile. Sealed anew, so that no key is needed for longer than for other texts
with u as materialized (
    select t.message_id, t.leg_no, t.phone, t.text, t.transit_id
      from unnest($2::uuid[], $3::bigint[], $4::bytea[], $5::bytea[], $6::int[]) as t(message_id, leg_no, phone, text, transit_id)
), m_locked as materialized (
    select id from message
     where bucket = $1::smallint and id = any ($2::uuid[]) and state = 'queued'
     order by id for no key update
), m as (
    update message set leg_no = u.leg_no
      from u join m_locked l on l.id = u.message_id
     where message.bucket = $1::smallint and message.id = u.message_id
), o as (
    update outbox set phase = 'queued', leg_no = u.leg_no, sealed_phone = u.phone, sealed_text = u.text,
                      transit_id = u.transit_id
      from u join m_locked l on l.id = u.message_id
     where outbox.bucket = $1::smallint and outbox.message_id = u.message_id and outbox.phase = 'scheduled'
    returning outbox.message_id
), s as (
    update session set last_leg_no = t.leg_no
      from unnest($7::uuid[], $8::bigint[]) as t(id, leg_no)
     where session.bucket = $1::smallint and session.id = t.id
)
select message_id from o;
