-- Messages: new ones, as the API shows them, and parked ones that a person decides about.

-- name: write
-- $1 bucket $2 now | messages: $3 ids $4 accounts $5 sessions $6 kinds $7 from $8 to $9 leg numbers $10 states
-- $11 reasons $12 segments $13 event ids | outbox: $14 message ids $15 accounts $16 sessions $17 to $18 leg numbers
-- $19 party indexes $20 kinds $21 number ids $22 segments $23 phones $24 texts $25 transit ids $26 deadlines
-- | sessions in whose legs something is queued: $27 ids $28 last leg numbers. Silence is broken by people only
-- | born sending: $29 lease epoch $30 attempt ids, for each message or null. Everything that the door would lock is locked
-- already, but for the lease; without it they are queued. A row back = the lease was held
with lease_held as materialized (
    select epoch from lease
     where bucket = $1::smallint and name = 'send' and epoch = $29::bigint and until > $2::timestamptz for share
), t as materialized (
    select u.id, u.account_id, u.session_id, u.kind, u.from_p, u.to_p, u.leg_no, u.reason, u.segments, u.event_id,
           u.attempt_id,
           case when u.attempt_id is not null and exists (select 1 from lease_held) then 'sending' else u.state end as state
      from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::uuid[], $9::bigint[], $10::text[],
                  $11::text[], $12::smallint[], $13::uuid[], $30::uuid[])
        as u(id, account_id, session_id, kind, from_p, to_p, leg_no, state, reason, segments, event_id, attempt_id)
), m as (
    insert into message (bucket, id, account_id, session_id, kind, from_participant, to_participant, leg_no, state, reason,
                         segments, attempts, received_at, changed_at)
    select $1::smallint, t.id, t.account_id, t.session_id, t.kind, t.from_p, t.to_p, t.leg_no, t.state, t.reason,
           t.segments, (t.state = 'sending')::int, $2::timestamptz, $2::timestamptz
      from t
), a as (
    insert into attempt (bucket, id, message_id, n, epoch, begun_at)
    select $1::smallint, t.attempt_id, t.id, 1, $29::bigint, $2::timestamptz from t where t.state = 'sending'
), o as (
    insert into outbox (bucket, message_id, account_id, session_id, to_participant, leg_no, party_index, kind, number_id,
                        segments, sealed_phone, sealed_text, transit_id, phase, arrived_at, due_at, deadline_at)
    select $1::smallint, u.message_id, u.account_id, u.session_id, u.to_p, u.leg_no, u.party_index, u.kind, u.number_id,
           u.segments, u.phone, u.text, u.transit_id, t.state, $2::timestamptz, $2::timestamptz, u.deadline_at
      from unnest($14::uuid[], $15::uuid[], $16::uuid[], $17::uuid[], $18::bigint[], $19::bytea[], $20::text[], $21::uuid[],
                  $22::smallint[], $23::bytea[], $24::bytea[], $25::int[], $26::timestamptz[])
        as u(message_id, account_id, session_id, to_p, leg_no, party_index, kind, number_id, segments, phone, text,
             transit_id, deadline_at)
      join t on t.id = u.message_id
), s as (
    update session set last_leg_no = u.leg_no,
                       last_message_at = case when u.relayed then $2::timestamptz else session.last_message_at end,
                       idle_at = case when u.relayed then $2::timestamptz + make_interval(secs => session.idle_timeout)
                                      else session.idle_at end
      from (select l.id, l.leg_no, exists (select 1 from t where t.session_id = l.id and t.kind = 'relay'
                                              and t.state <> 'refused') as relayed
              from unnest($27::uuid[], $28::bigint[]) as l(id, leg_no)) as u
     where session.bucket = $1::smallint and session.id = u.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, t.event_id, t.account_id,
           case t.state when 'refused' then 'message.refused' else 'message.received' end,
           t.session_id, t.from_p, t.id, t.reason, $2::timestamptz
      from t
)
select epoch from lease_held;

-- name: read
-- $1 bucket $2 account $3 message id
select id, session_id, kind, from_participant, to_participant, state, reason, segments, received_at, send_at, accepted_at,
       delivered_at
  from message where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid;

-- name: list
-- $1 bucket $2 session $3 limit $4 before this id. Newest first
select id, session_id, kind, from_participant, to_participant, state, reason, segments, received_at, send_at, accepted_at,
       delivered_at
  from message
 where bucket = $1::smallint and session_id = $2::uuid and ($4::uuid is null or id < $4::uuid)
 order by id desc limit $3;

-- name: session_of
-- $1 bucket $2 account $3 message id. To lock the session before the message
select session_id from message where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid;

-- name: lock_session
-- $1 bucket $2 session id
select status from session where bucket = $1::smallint and id = $2::uuid for share;

-- name: retry
-- $1 bucket $2 now $3 message id $4 event id $5 deadline. Only a parked text whose sealed text is still here. One that no hook has
-- allowed is asked about once more
with o as materialized (
    select message_id from outbox
     where bucket = $1::smallint and message_id = $3::uuid and phase = 'parked'
), m as (
    update message set state = 'queued', reason = null, changed_at = $2::timestamptz
      from o where message.bucket = $1::smallint and message.id = o.message_id and message.state = 'parked'
    returning message.id, message.account_id, message.session_id, message.to_participant
), again as (
    update outbox set phase = 'queued', due_at = case when outbox.ask_at is null then $2::timestamptz else $5::timestamptz end,
                      ask_at = case when outbox.ask_at is not null then $2::timestamptz end, deadline_at = $5::timestamptz
      from m where outbox.bucket = $1::smallint and outbox.message_id = m.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, at)
    select $1::smallint, $4::uuid, m.account_id, 'message.retried', m.session_id, m.to_participant, m.id, $2::timestamptz
      from m
)
select id from m;

-- name: discard
-- $1 bucket $2 now $3 message id $4 event id $5 reason
with m as (
    update message set state = 'refused', reason = $5::text, changed_at = $2::timestamptz
     where bucket = $1::smallint and id = $3::uuid and state = 'parked'
    returning id, account_id, session_id, to_participant
), o as (
    delete from outbox using m where outbox.bucket = $1::smallint and outbox.message_id = m.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, $4::uuid, m.account_id, 'message.refused', m.session_id, m.to_participant, m.id, $5::text,
           $2::timestamptz
      from m
)
select id from m;

-- name: is_decided
-- $1 bucket $2 message id $3 event id. Was this very decision written before, unseen by whoever asks again?
select exists (select 1 from event where bucket = $1::smallint and id = $3::uuid and message_id = $2::uuid);
