-- Who sits in a session: somebody else in a person's place, and both again after it was closed. The session is locked first, by
-- all of this.

-- name: look
-- $1 bucket $2 account $3 session id. Foreign and unknown ids both give no row; nothing is locked
select id, pool_id, status, close_reason, expires_at, idle_timeout, idle_at, geo_match, geo_fallback, expiring_notice
  from session where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid;

-- name: lock
-- $1 bucket $2 account $3 session id. The same, and nobody else changes who is in it
select id, pool_id, status, close_reason, expires_at, idle_timeout, idle_at, geo_match, geo_fallback, expiring_notice
  from session where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid for no key update;

-- name: people
-- $1 bucket $2 session id. Everybody who is or was in it, and until when they hold their number for it: no more where another
-- session of the same two people has it
select p.id, p.slot, p.status, p.label, p.party_index, p.number_id, p.sealed_phone, p.epoch_id, b.held_until
  from participant p
  left join binding b on b.bucket = $1::smallint and b.number_id = p.number_id and b.party_index = p.party_index
   and b.session_id = p.session_id and b.participant_id = p.id
 where p.bucket = $1::smallint and p.session_id = $2::uuid
 order by p.slot, p.id;

-- name: unsent_to
-- $1 bucket $2 session id $3 participant. Complete: who would add to it or take from it needs the session, which is locked
select m.id, m.state, exists (select 1 from attempt a where a.bucket = $1::smallint and a.message_id = m.id
                                 and a.outcome = 'ambiguous') as may_have_left
  from message m
 where m.bucket = $1::smallint and m.session_id = $2::uuid and m.to_participant = $3::uuid
   and m.state in ('queued', 'sending', 'parked')
 order by m.id for no key update;

-- name: replace
-- $1 bucket $2 now $3 session id $4 who goes $5 event id | who comes: $6 id $7 label $8 party index $9 number $10 sealed phone
-- $11 epoch id $12 the pair's index with who stays | $13 ids to stop $14 their event ids $15 states $16 reasons | $17 ids whose
-- outbox row goes. The phone of who goes is cleared and their binding cools; the binding of who stays is the new pair's from now
-- on. All three bindings are written in one order, as whoever opens sessions does. Without the new one a race was lost: roll
-- back and choose again
with s as (
    update session set seating = seating + 1, people_since = seating + 1, journaled = false
     where bucket = $1::smallint and id = $3::uuid and status = 'open'
    returning id, account_id, cool_down
), old as (
    update participant set status = 'replaced', sealed_phone = null, epoch_id = null
      from s where participant.bucket = $1::smallint and participant.id = $4::uuid and participant.session_id = s.id
       and participant.status = 'live'
    returning participant.id, participant.slot, participant.number_id, participant.party_index, s.id as session_id,
              s.account_id, s.cool_down
), pa as (
    insert into participant (bucket, id, session_id, slot, status, label, party_index, number_id, sealed_phone, epoch_id)
    select $1::smallint, $6::uuid, old.session_id, old.slot, 'live', $7::text, $8::bytea, $9::uuid, $10::bytea, $11::int
      from old
), t as (
    select old.number_id, old.party_index, old.session_id, old.id as participant_id,
           $2::timestamptz + make_interval(secs => old.cool_down) as held_until
      from old
    union all
    select p.number_id, p.party_index, p.session_id, p.id, 'infinity'
      from old
      join participant p on p.bucket = $1::smallint and p.session_id = old.session_id and p.status = 'live' and p.id <> old.id
    union all
    select $9::uuid, $8::bytea, old.session_id, $6::uuid, 'infinity' from old
), b as (
    insert into binding as b (bucket, number_id, party_index, session_id, participant_id, pair_index, held_until)
    select $1::smallint, t.number_id, t.party_index, t.session_id, t.participant_id, $12::bytea, t.held_until
      from t order by t.number_id, t.party_index
        on conflict (bucket, number_id, party_index) do update
       set session_id = excluded.session_id, participant_id = excluded.participant_id, held_until = excluded.held_until,
           pair_index = case when excluded.participant_id = $4::uuid then b.pair_index else excluded.pair_index end
     where b.participant_id = excluded.participant_id
        or b.held_until <= $2::timestamptz
        or (b.pair_index = excluded.pair_index and b.held_until < 'infinity')
    returning b.number_id, b.party_index, b.participant_id
), m as (
    update message set state = u.state, reason = u.reason, changed_at = $2::timestamptz
      from old, unnest($13::uuid[], $14::uuid[], $15::text[], $16::text[]) as u(id, event_id, state, reason)
     where message.bucket = $1::smallint and message.id = u.id and message.state in ('queued', 'parked')
    returning message.id, message.account_id, message.session_id, message.to_participant, u.event_id, u.state, u.reason
), o as (
    delete from outbox using old where outbox.bucket = $1::smallint and outbox.message_id = any ($17::uuid[])
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, $5::uuid, old.account_id, 'participant.replaced', old.session_id, old.id, null, null, $2::timestamptz
      from old
    union all
    select $1::smallint, m.event_id, m.account_id, 'message.' || m.state, m.session_id, m.to_participant, m.id, m.reason,
           $2::timestamptz
      from m
)
select b.number_id, b.party_index from b where b.participant_id = $6::uuid;

-- name: was_told
-- $1 bucket $2 session id $3 event id. Was this very change written before, unseen by whoever asks again?
select exists (select 1 from event where bucket = $1::smallint and id = $3::uuid and session_id = $2::uuid);

-- name: reopen
-- $1 bucket $2 now $3 session id $4 expires at $5 idle timeout $6 idle at $7 event id | $8 participants $9 sealed phones $10 epoch
-- ids | $11 when its owner is told that it ends. The session is locked. Both bindings are locked first, in the order of whoever opens sessions, and taken back only where
-- this session still has them and they cool down; otherwise nothing happens. The last leg number stays: order goes on
with held as materialized (
    select b.number_id, b.party_index from binding b
     where b.bucket = $1::smallint and b.session_id = $3::uuid and b.participant_id = any ($8::uuid[])
       and b.held_until > $2::timestamptz and b.held_until < 'infinity'
     order by b.number_id, b.party_index for no key update
), s as (
    update session set status = 'open', closed_at = null, close_reason = null, expires_at = $4::timestamptz,
                       idle_timeout = $5::int, idle_at = $6::timestamptz, expiring_at = $11::timestamptz, seating = seating + 1,
                       journaled = false
     where bucket = $1::smallint and id = $3::uuid and status = 'closed' and close_reason <> 'erased'
       and (select count(*) from held) = 2
    returning id, account_id
), b as (
    update binding set held_until = 'infinity'
      from s, held
     where binding.bucket = $1::smallint and binding.number_id = held.number_id and binding.party_index = held.party_index
       and binding.session_id = s.id
), pa as (
    update participant set status = 'live', sealed_phone = u.phone, epoch_id = u.epoch_id
      from s, unnest($8::uuid[], $9::bytea[], $10::int[]) as u(id, phone, epoch_id)
     where participant.bucket = $1::smallint and participant.id = u.id and participant.session_id = s.id
       and participant.status = 'closed'
), e as (
    insert into event (bucket, id, account_id, type, session_id, at)
    select $1::smallint, $7::uuid, s.account_id, 'session.reopened', s.id, $2::timestamptz from s
)
select id from s;
