-- Sending: what is due, the guarded door, the mark, and the search for the fate of ambiguous sends.

-- name: due
-- $1 bucket $2 now $3 how many heads to look at $4 numbers that must wait. When the next queued row of all is due and how many
-- there are (more than $3 count as one more) on which numbers, and the oldest head of a leg of each number that could leave
-- now; no lock, for the door is the claim. `limit 1` keeps the planner from comparing every two rows of a long leg
select n.at as next_due, w.rows as queued, w.numbers, d.message_id, d.number_id, d.segments, d.heads
  from (select min(o.due_at) as at from outbox o where o.bucket = $1::smallint and o.phase = 'queued') as n
 cross join (select count(*) as rows, array_agg(distinct q.number_id) as numbers
               from (select o.number_id from outbox o where o.bucket = $1::smallint and o.phase = 'queued' limit $3 + 1) as q) as w
  left join (
       select distinct on (h.number_id) h.message_id, h.number_id, h.segments, h.due_at, count(*) over () as heads
         from (select o.message_id, o.number_id, o.segments, o.due_at
                 from outbox o
                where o.bucket = $1::smallint and o.phase = 'queued' and o.due_at <= $2::timestamptz
                  and o.number_id <> all ($4::uuid[])
                  and (o.leg_no is null
                       or o.leg_no = (select e.leg_no from outbox e
                                       where e.bucket = $1::smallint and e.phase in ('queued', 'sending')
                                         and e.session_id = o.session_id and e.to_participant = o.to_participant
                                       order by e.leg_no limit 1))
                order by o.due_at, o.message_id
                limit $3) as h
        order by h.number_id, h.due_at, h.message_id) as d on true
 order by d.due_at, d.message_id;

-- name: door
-- $1 bucket $2 now $3 lease epoch | $4 message ids $5 attempt ids $6 event ids (used when it may not leave).
-- The one way out, closed to what a hook has not allowed yet: locks everything that could forbid the send and commits the attempt.
-- What is forbidden now, but may have left earlier, is parked: "refused" would say that it never arrived. What has a place in a leg is
-- part of a conversation: it may leave while that is open, to who is still in it
with lease_held as materialized (
    select epoch from lease
     where bucket = $1::smallint and name = 'send' and epoch = $3::bigint and until > $2::timestamptz for share
), o as materialized (
    select message_id, account_id, session_id, to_participant, leg_no, party_index, kind, number_id, segments,
           sealed_phone, sealed_text, transit_id, deadline_at
      from outbox
     where bucket = $1::smallint and message_id = any ($4::uuid[]) and ask_at is null and exists (select 1 from lease_held)
), s as materialized (
    select id, status, expires_at from session
     where bucket = $1::smallint and id = any (array(select session_id from o where session_id is not null))
     order by id for share
), pa as materialized (
    select id, status from participant
     where bucket = $1::smallint and id = any (array(select to_participant from o where to_participant is not null))
       and (select count(*) from s) >= 0
     order by id for share
), pe as materialized (
    select party_index, opted_out, silent_until from person
     where bucket = $1::smallint and party_index = any (array(select party_index from o))
       and (select count(*) from pa) >= 0
     order by party_index for share
), m_locked as materialized (
    select id from message
     where bucket = $1::smallint and id = any ($4::uuid[]) and state = 'queued' and (select count(*) from pe) >= 0
     order by id for no key update
), verdict as materialized (
    select o.message_id,
           case when o.leg_no is not null and s.status is distinct from 'open' then 'session_closed'
                when o.leg_no is not null and s.expires_at <= $2::timestamptz then 'session_expired'
                when o.leg_no is not null and pa.status is distinct from 'live' then 'participant_replaced'
                when o.kind <> 'stop_reply' and pe.opted_out is distinct from false then 'opted_out'
                when o.kind = 'stop_reply' and not pe.opted_out then 'blocked_by_rule'
                when o.kind = 'notice' and pe.silent_until > $2::timestamptz then 'unreachable'
                when o.deadline_at <= $2::timestamptz then 'deadline' end as reason
      from m_locked l
      join o on o.message_id = l.id
      left join s on s.id = o.session_id
      left join pa on pa.id = o.to_participant
      left join pe on pe.party_index = o.party_index
), v as materialized (
    select message_id, reason,
           case when reason is null then 'sending' when reason = 'deadline' then 'expired'
                when exists (select 1 from attempt a where a.bucket = $1::smallint and a.message_id = verdict.message_id
                                and a.outcome = 'ambiguous') then 'parked'
                else 'refused' end as state
      from verdict
), m as (
    update message set state = v.state, reason = case v.state when 'parked' then 'ambiguous' else v.reason end,
                       attempts = message.attempts + (v.state = 'sending')::int, changed_at = $2::timestamptz
      from v
     where message.bucket = $1::smallint and message.id = v.message_id and message.state = 'queued'
    returning message.id, message.account_id, message.session_id, message.to_participant, message.state, message.reason,
              message.attempts
), want as (
    select w.message_id, w.attempt_id, w.event_id
      from unnest($4::uuid[], $5::uuid[], $6::uuid[]) as w(message_id, attempt_id, event_id)
), a as (
    insert into attempt (bucket, id, message_id, n, epoch, begun_at)
    select $1::smallint, w.attempt_id, m.id, m.attempts, $3::bigint, $2::timestamptz
      from m join want w on w.message_id = m.id
     where m.state = 'sending'
), gone as (
    delete from outbox using m where outbox.bucket = $1::smallint and outbox.message_id = m.id and m.state <> 'sending'
), begun as (
    update outbox set phase = 'sending'
      from m where outbox.bucket = $1::smallint and outbox.message_id = m.id and m.state = 'sending'
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, w.event_id, m.account_id, 'message.' || m.state, m.session_id, m.to_participant, m.id, m.reason,
           $2::timestamptz
      from m join want w on w.message_id = m.id
     where m.state <> 'sending'
)
select m.id as message_id, m.state, m.reason, m.attempts, w.attempt_id, o.account_id, o.kind, o.number_id, o.party_index,
       o.segments, o.sealed_phone, o.sealed_text, o.transit_id
  from m join want w on w.message_id = m.id join o on o.message_id = m.id;

-- name: mark
-- $1 bucket $2 now | $3 attempt ids $4 message ids $5 outcomes $6 reasons $7 due $8 event ids | $9 states before accepted
-- $10 states before refused | carrier copies: $11 attempt ids $12 accounts $13 connections $14 sealed names $15 key ids $16 due after the
-- last word $17 due without. Written by attempt id whoever holds the lease, for its answer is true; only the newest attempt
-- of a message may do more than accept. Of a text that is believed ambiguous only its end is news here: its leg may have gone
-- on (queue_after_all). A refused one that may have left at an earlier attempt is parked
with w as materialized (
    select u.attempt_id, u.message_id, u.outcome, u.reason, u.due_at, u.event_id
      from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[], $8::uuid[])
        as u(attempt_id, message_id, outcome, reason, due_at, event_id)
), m_locked as materialized (
    select id, state, attempts from message
     where bucket = $1::smallint and id = any ($4::uuid[])
     order by id for no key update
), a as (
    update attempt set outcome = w.outcome, ended_at = $2::timestamptz
      from w join m_locked l on l.id = w.message_id
     where attempt.bucket = $1::smallint and attempt.id = w.attempt_id
       and (attempt.outcome is null or (attempt.outcome = 'ambiguous' and w.outcome in ('accepted', 'refused')))
    returning attempt.message_id, attempt.n, w.outcome, w.reason, w.due_at, w.event_id
), v as materialized (
    select a.message_id, a.reason, a.due_at, a.event_id,
           case when a.outcome = 'accepted' and l.state = any ($9::text[]) then 'accepted'
                when a.outcome = 'refused' and l.state = any ($10::text[]) and a.n = l.attempts then
                     case when not exists (select 1 from attempt before
                                            where before.bucket = $1::smallint and before.message_id = a.message_id
                                              and before.n < a.n and before.outcome = 'ambiguous') then 'refused'
                          when l.state <> 'parked' then 'parked' end
                when a.outcome in ('not_sent', 'not_begun') and l.state = 'sending' and a.n = l.attempts then 'queued'
           end as state,
           a.outcome = 'ambiguous' and l.state = 'sending' and a.n = l.attempts as unresolved
      from a join m_locked l on l.id = a.message_id
), m as (
    update message set state = v.state, changed_at = $2::timestamptz,
                       reason = case v.state when 'refused' then v.reason when 'parked' then 'ambiguous' end,
                       accepted_at = case v.state when 'accepted' then $2::timestamptz end
      from v
     where message.bucket = $1::smallint and message.id = v.message_id and v.state is not null
    returning message.id, message.account_id, message.session_id, message.to_participant, message.state, message.reason,
              v.event_id
), gone as (
    delete from outbox using v
     where outbox.bucket = $1::smallint and outbox.message_id = v.message_id and v.state in ('accepted', 'refused', 'parked')
), again as (
    update outbox set phase = case when v.unresolved then 'unresolved' else 'queued' end,
                      due_at = case when v.unresolved or outbox.leg_no is null
                                         or exists (select 1 from session s
                                                      join participant p on p.bucket = $1::smallint
                                                       and p.id = outbox.to_participant and p.status = 'live'
                                                     where s.bucket = $1::smallint and s.id = outbox.session_id
                                                       and s.status = 'open')
                                    then coalesce(v.due_at, $2::timestamptz) else $2::timestamptz end,
                      asked = 0
      from v
     where outbox.bucket = $1::smallint and outbox.message_id = v.message_id and (v.unresolved or v.state = 'queued')
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, m.event_id, m.account_id, 'message.' || m.state, m.session_id, m.to_participant, m.id, m.reason,
           $2::timestamptz
      from m
     where m.state <> 'queued'
), r as (
    insert into redaction (bucket, id, account_id, connection_id, sealed_provider_id, redaction_id, since, due_at)
    select $1::smallint, t.id, t.account_id, t.connection_id, t.sealed, t.key_id, $2::timestamptz,
           case when l.state in ('delivered', 'undelivered') then t.due_after_word else t.due_without end
      from unnest($11::uuid[], $12::uuid[], $13::uuid[], $14::bytea[], $15::int[], $16::timestamptz[], $17::timestamptz[])
        as t(id, account_id, connection_id, sealed, key_id, due_after_word, due_without)
      join w on w.attempt_id = t.id
      join m_locked l on l.id = w.message_id
        on conflict (bucket, id) do nothing
)
select m.id, m.state from m;

-- name: lock_its_session
-- $1 bucket $2 message id. Nobody adds to the session's legs, and none of its texts passes the door, until this is over
select s.status from session s
 where s.bucket = $1::smallint
   and s.id = (select m.session_id from message m where m.bucket = $1::smallint and m.id = $2::uuid)
   for no key update;

-- name: queue_after_all
-- $1 bucket $2 now $3 message id $4 attempt id $5 outcome $6 due. A text that was believed ambiguous has not left after all, as
-- the process knows that tried. Not when something later of its leg waits or has left: a look may have chosen that already.
-- Its session is locked, in an earlier statement: what this one sees of the leg is all that there is
with a as (
    update attempt set outcome = $5::text, ended_at = $2::timestamptz
      from message m
     where attempt.bucket = $1::smallint and attempt.id = $4::uuid and attempt.outcome = 'ambiguous'
       and m.bucket = $1::smallint and m.id = $3::uuid and m.state = 'sending' and m.attempts = attempt.n
       and not exists (select 1 from message later
                        where later.bucket = $1::smallint and later.session_id = m.session_id
                          and later.to_participant = m.to_participant and later.leg_no > m.leg_no
                          and (later.attempts > 0 or later.state = 'queued'))
    returning attempt.message_id
), m as (
    update message set state = 'queued', changed_at = $2::timestamptz
      from a where message.bucket = $1::smallint and message.id = a.message_id and message.state = 'sending'
    returning message.id
)
update outbox set phase = 'queued', due_at = $6::timestamptz, asked = 0
  from m where outbox.bucket = $1::smallint and outbox.message_id = m.id and outbox.phase = 'unresolved';

-- name: lock_lease
-- $1 bucket. Waits for every transaction that is beginning sends in this bucket: each holds the row for share
select epoch from lease where bucket = $1::smallint and name = 'send' for no key update;

-- name: receipt
-- $1 bucket $2 now | $3 message ids (one each) $4 attempt ids $5 words: accepted, delivered, undelivered $6 reasons
-- $7 event ids | $8 states before accepted $9 states before delivered | carrier copies: $10 attempt ids $11 accounts $12 connections
-- $13 sealed names $14 key ids $15 due after the last word $16 due without. It proves that the attempt was accepted
with w as materialized (
    select u.message_id, u.attempt_id, u.word, u.reason, u.event_id
      from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::uuid[])
        as u(message_id, attempt_id, word, reason, event_id)
), m_locked as materialized (
    select id, state from message
     where bucket = $1::smallint and id = any ($3::uuid[])
     order by id for no key update
), v as materialized (
    select w.message_id, w.word, w.reason, w.event_id
      from w join m_locked l on l.id = w.message_id
      join attempt a on a.bucket = $1::smallint and a.id = w.attempt_id and a.message_id = w.message_id
     where l.state = any (case w.word when 'accepted' then $8::text[] else $9::text[] end)
), m as (
    update message set state = v.word, reason = case v.word when 'undelivered' then coalesce(v.reason, 'unknown') end,
                       changed_at = $2::timestamptz, accepted_at = coalesce(message.accepted_at, $2::timestamptz),
                       delivered_at = case v.word when 'delivered' then $2::timestamptz end
      from v
     where message.bucket = $1::smallint and message.id = v.message_id
    returning message.id, message.account_id, message.session_id, message.to_participant, message.state, message.reason,
              message.kind, v.event_id
), a as (
    update attempt set outcome = 'accepted', ended_at = coalesce(attempt.ended_at, $2::timestamptz)
      from w join m_locked l on l.id = w.message_id
     where attempt.bucket = $1::smallint and attempt.id = w.attempt_id and attempt.message_id = w.message_id
       and (attempt.outcome is null or attempt.outcome = 'ambiguous')
), gone as (
    delete from outbox using v where outbox.bucket = $1::smallint and outbox.message_id = v.message_id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, m.event_id, m.account_id, 'message.' || m.state, m.session_id, m.to_participant, m.id, m.reason,
           $2::timestamptz
      from m
), r as (
    insert into redaction as r (bucket, id, account_id, connection_id, sealed_provider_id, redaction_id, since, due_at)
    select $1::smallint, t.id, t.account_id, t.connection_id, t.sealed, t.key_id, $2::timestamptz,
           case when w.word = 'accepted' then t.due_without else t.due_after_word end
      from unnest($10::uuid[], $11::uuid[], $12::uuid[], $13::bytea[], $14::int[], $15::timestamptz[], $16::timestamptz[])
        as t(id, account_id, connection_id, sealed, key_id, due_after_word, due_without)
      join w on w.attempt_id = t.id
      join attempt a on a.bucket = $1::smallint and a.id = w.attempt_id and a.message_id = w.message_id
        on conflict (bucket, id) do update set due_at = excluded.due_at where excluded.due_at < r.due_at
)
select m.id, m.state, m.kind from m;

-- name: abandoned
-- $1 bucket $2 my epoch $3 begun before $4 limit. Sends whose process is gone, or that nobody has heard of for too long
select o.message_id, a.id as attempt_id
  from outbox o
  join attempt a on a.bucket = $1::smallint and a.message_id = o.message_id and a.outcome is null
 where o.bucket = $1::smallint and o.phase = 'sending' and (a.epoch < $2::bigint or a.begun_at < $3::timestamptz)
 order by o.message_id
 limit $4;

-- name: unresolved
-- $1 bucket $2 now $3 limit. Ambiguous sends whose next look is due
select o.message_id, o.account_id, o.number_id, o.asked, o.sealed_phone, o.sealed_text, o.transit_id,
       a.id as attempt_id, a.begun_at, a.ended_at
  from outbox o
  join attempt a on a.bucket = $1::smallint and a.message_id = o.message_id
   and a.n = (select max(l.n) from attempt l where l.bucket = $1::smallint and l.message_id = o.message_id)
 where o.bucket = $1::smallint and o.phase = 'unresolved' and o.due_at <= $2::timestamptz
 order by o.due_at
 limit $3;

-- name: rivals
-- $1 bucket $2 message id $3 attempt id. Attempts at other texts of the leg at about the same time that were or may have
-- been accepted: the provider may have shown us one of those. Asked after the provider was, so that none is missed
select count(*)
  from outbox o
  join attempt a on a.bucket = $1::smallint and a.id = $3::uuid
  join message m on m.bucket = $1::smallint and m.session_id = o.session_id and m.to_participant = o.to_participant
   and m.id <> o.message_id
  join attempt r on r.bucket = $1::smallint and r.message_id = m.id
   and coalesce(r.outcome, 'ambiguous') in ('accepted', 'ambiguous')
   and r.begun_at <= a.ended_at + interval '10 s' and coalesce(r.ended_at, 'infinity') >= a.begun_at - interval '10 s'
 where o.bucket = $1::smallint and o.message_id = $2::uuid;

-- name: asked
-- $1 bucket $2 message id $3 asked before $4 next look. The provider was asked and did not know
update outbox set asked = $3::smallint + 1, due_at = $4::timestamptz
 where bucket = $1::smallint and message_id = $2::uuid and phase = 'unresolved' and asked = $3::smallint;

-- name: lock_for_parking
-- $1 bucket $2 message id. Is its session open? Locks the session first, as everything does
select s.status from session s
 where s.bucket = $1::smallint
   and s.id = (select o.session_id from outbox o where o.bucket = $1::smallint and o.message_id = $2::uuid)
   for share;

-- name: its_recipient
-- $1 bucket $2 message id. Are they still in the session? In its own statement, after the session was locked
select p.status from participant p
 where p.bucket = $1::smallint
   and p.id = (select o.to_participant from outbox o where o.bucket = $1::smallint and o.message_id = $2::uuid);

-- name: park
-- $1 bucket $2 now $3 message id $4 attempt id $5 event id $6 deadline $7 keep the sealed text. Given up: it may have been
-- sent. Not when another attempt has begun since this one was looked at
with m as (
    update message set state = 'parked', reason = 'ambiguous', changed_at = $2::timestamptz
      from attempt a
     where message.bucket = $1::smallint and message.id = $3::uuid and message.state = 'sending'
       and a.bucket = $1::smallint and a.id = $4::uuid and a.message_id = message.id and a.n = message.attempts
       and a.outcome = 'ambiguous'
    returning message.id, message.account_id, message.session_id, message.to_participant
), kept as (
    update outbox set phase = 'parked', deadline_at = $6::timestamptz, due_at = $6::timestamptz
      from m where outbox.bucket = $1::smallint and outbox.message_id = m.id and outbox.phase = 'unresolved' and $7::boolean
), gone as (
    delete from outbox using m where outbox.bucket = $1::smallint and outbox.message_id = m.id and not $7::boolean
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, $5::uuid, m.account_id, 'message.parked', m.session_id, m.to_participant, m.id, 'ambiguous',
           $2::timestamptz
      from m
)
select id from m;

-- name: send_again
-- $1 bucket $2 now $3 message id $4 attempt id. The account prefers a duplicate to a loss, or a duplicate is harmless here.
-- Not when another attempt has begun since this one was looked at
with m as (
    update message set state = 'queued', changed_at = $2::timestamptz
      from attempt a
     where message.bucket = $1::smallint and message.id = $3::uuid and message.state = 'sending'
       and a.bucket = $1::smallint and a.id = $4::uuid and a.message_id = message.id and a.n = message.attempts
       and a.outcome = 'ambiguous'
    returning message.id
)
update outbox set phase = 'queued', due_at = $2::timestamptz
  from m where outbox.bucket = $1::smallint and outbox.message_id = m.id and outbox.phase = 'unresolved';

-- name: overdue
-- $1 bucket $2 now $3 limit. Queued or parked, and worth nothing to anybody any more
select o.message_id from outbox o
 where o.bucket = $1::smallint and o.phase in ('queued', 'parked') and o.deadline_at <= $2::timestamptz
 order by o.deadline_at
 limit $3;

-- name: parked_too_long
-- $1 bucket $2 parked before $3 limit. Also those whose text went with their session: only their metadata still waits
select m.id from message m
 where m.bucket = $1::smallint and m.state = 'parked' and m.changed_at <= $2::timestamptz
 order by m.changed_at
 limit $3;

-- name: expire
-- $1 bucket $2 now | $3 message ids $4 event ids | $5 states before expired
with m_locked as materialized (
    select id from message
     where bucket = $1::smallint and id = any ($3::uuid[]) and state = any ($5::text[])
     order by id for no key update
), m as (
    update message set state = 'expired', reason = 'deadline', changed_at = $2::timestamptz
      from m_locked l join unnest($3::uuid[], $4::uuid[]) as u(id, event_id) on u.id = l.id
     where message.bucket = $1::smallint and message.id = l.id
    returning message.id, message.account_id, message.session_id, message.to_participant, u.event_id
), gone as (
    delete from outbox using m where outbox.bucket = $1::smallint and outbox.message_id = m.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, m.event_id, m.account_id, 'message.expired', m.session_id, m.to_participant, m.id, 'deadline',
           $2::timestamptz
      from m
)
select m.id from m;

-- name: depth
-- $1 bucket. How many rows wait in each phase, and since when the oldest one does: for the metrics
select o.phase, count(*) as rows, min(o.arrived_at) as oldest from outbox o where o.bucket = $1::smallint group by o.phase;

-- name: begun_lately
-- $1 bucket $2 ids of attempts begun since then are higher. What has left which number lately, in order: the pace that a
-- bucket's new owner has to keep to
select p.number_id, m.segments, a.begun_at
  from attempt a
  join message m on m.bucket = $1::smallint and m.id = a.message_id
  join participant p on p.bucket = $1::smallint and p.id = m.to_participant
 where a.bucket = $1::smallint and a.id > $2::uuid
 order by a.id;
