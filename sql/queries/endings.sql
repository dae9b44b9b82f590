-- How sessions end: closing with all that has not left, giving numbers back, forgetting people whom nothing needs any more.

-- name: ended
-- $1 bucket $2 now $3 limit. Open sessions whose time is over
(select id, account_id, expires_at, idle_at from session
  where bucket = $1::smallint and status = 'open' and expires_at <= $2::timestamptz order by expires_at limit $3)
union
(select id, account_id, expires_at, idle_at from session
  where bucket = $1::smallint and status = 'open' and idle_at <= $2::timestamptz order by idle_at limit $3);

-- name: lock_ended
-- $1 bucket $2 session id. Again under lock: it may have been extended or closed since
select id, expires_at, idle_at from session
 where bucket = $1::smallint and id = $2::uuid and status = 'open' for no key update;

-- name: expiring
-- $1 bucket $2 now $3 limit. Open sessions that are about to end, and whose owner was not told of this end yet
select id from session
 where bucket = $1::smallint and status = 'open' and expiring_at <= $2::timestamptz and expires_at > $2::timestamptz
 order by expiring_at limit $3;

-- name: tell_expiring
-- $1 bucket $2 now | $3 session ids $4 event ids. Told once for each end: unless it was moved, or the session closed, since
with held as materialized (
    select id from session
     where bucket = $1::smallint and id = any ($3::uuid[]) and status = 'open' and expiring_at <= $2::timestamptz
       and expires_at > $2::timestamptz
     order by id for no key update
), s as (
    update session set expiring_at = null
      from held join unnest($3::uuid[], $4::uuid[]) as u(id, event_id) on u.id = held.id
     where session.bucket = $1::smallint and session.id = held.id
    returning session.id, session.account_id, u.event_id
), e as (
    insert into event (bucket, id, account_id, type, session_id, at)
    select $1::smallint, s.event_id, s.account_id, 'session.expiring', s.id, $2::timestamptz from s
)
select id from s;

-- name: unsent
-- $1 bucket | $2 session ids. Complete: who would add to it or take from it needs the session rows that are held
select m.id, m.state, exists (select 1 from attempt a
                where a.bucket = $1::smallint and a.message_id = m.id and a.outcome = 'ambiguous') as may_have_left
  from message m
 where m.bucket = $1::smallint and m.session_id = any ($2::uuid[]) and m.state in ('queued', 'sending', 'parked')
 order by m.id for no key update;

-- name: close
-- $1 bucket $2 now $4 close reason | $3 session ids, locked $5 their event ids | $6 ids to stop $7 their event ids $8 states
-- $9 reasons | $10 ids whose outbox row goes. Phones go, bindings cool, what has not left never leaves. The ids stand in every part:
-- without, a plan may read all open sessions of a bucket
with s as (
    update session set status = 'closed', closed_at = $2::timestamptz, close_reason = $4::text, journaled = false
      from unnest($3::uuid[], $5::uuid[]) as u(id, event_id)
     where session.bucket = $1::smallint and session.id = any ($3::uuid[]) and session.id = u.id and session.status = 'open'
    returning session.id, session.account_id, session.cool_down, u.event_id
), pa as (
    update participant set status = 'closed', sealed_phone = null, epoch_id = null
      from s where participant.bucket = $1::smallint and participant.session_id = any ($3::uuid[])
       and participant.session_id = s.id and participant.status = 'live'
), b as (
    update binding set held_until = $2::timestamptz + make_interval(secs => s.cool_down)
      from s where binding.bucket = $1::smallint and binding.session_id = any ($3::uuid[]) and binding.session_id = s.id
       and binding.held_until = 'infinity'
), m as (
    update message set state = u.state, reason = u.reason, changed_at = $2::timestamptz
      from unnest($6::uuid[], $7::uuid[], $8::text[], $9::text[]) as u(id, event_id, state, reason)
     where message.bucket = $1::smallint and message.id = any ($6::uuid[]) and message.id = u.id
       and message.state in ('queued', 'parked') and message.session_id = any (array(select s.id from s))
    returning message.id, message.account_id, message.session_id, message.to_participant, u.event_id, u.state, u.reason
), o as (
    delete from outbox using s where outbox.bucket = $1::smallint and outbox.message_id = any ($10::uuid[])
       and outbox.session_id = s.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, s.event_id, s.account_id, 'session.closed', s.id, null, null, $4::text, $2::timestamptz from s
    union all
    select $1::smallint, m.event_id, m.account_id, 'message.' || m.state, m.session_id, m.to_participant, m.id, m.reason,
           $2::timestamptz
      from m
)
select id from s;

-- name: cooled
-- $1 bucket $2 now $3 limit. Bindings whose cool-down is over
select number_id, party_index from binding
 where bucket = $1::smallint and held_until <= $2::timestamptz
 order by held_until limit $3;

-- name: free
-- $1 bucket $2 now | $3 number ids $4 party indexes, sorted by number and person. Unless taken again since. With the binding
-- goes the index of everybody who held it, for the same two people may have taken it again and again
with b as (
    delete from binding using unnest($3::uuid[], $4::bytea[]) as u(number_id, party_index)
     where binding.bucket = $1::smallint and binding.number_id = u.number_id and binding.party_index = u.party_index
       and binding.held_until <= $2::timestamptz
    returning binding.number_id, binding.party_index
)
update participant set party_index = null
  from b where participant.bucket = $1::smallint and participant.number_id = b.number_id
   and participant.party_index = b.party_index and participant.status <> 'live';

-- name: needless_people
-- $1 bucket $2 a day ago $3 limit. People whom no binding, no waiting text and no opt-out needs any more. A START is kept
-- for a day, because an older STOP that is still on its way must lose against it. Those known under a newer key need no row
select p.party_index from person p
 where p.bucket = $1::smallint and (p.superseded or (not p.opted_out and p.changed_at <= $2::timestamptz))
   and not exists (select 1 from binding b where b.bucket = $1::smallint and b.party_index = p.party_index)
   and not exists (select 1 from outbox o where o.bucket = $1::smallint and o.party_index = p.party_index)
 limit $3;

-- name: lock_people
-- $1 bucket | $2 party indexes. Waits for whoever is about to bind or to queue something for them
select party_index from person
 where bucket = $1::smallint and party_index = any ($2::bytea[]) order by party_index for update;

-- name: forget_people
-- $1 bucket $2 a day ago | $3 party indexes, locked. Its own snapshot: sees what the lock waited for
delete from person p
 where p.bucket = $1::smallint and p.party_index = any ($3::bytea[])
   and (p.superseded or (not p.opted_out and p.changed_at <= $2::timestamptz))
   and not exists (select 1 from binding b where b.bucket = $1::smallint and b.party_index = p.party_index)
   and not exists (select 1 from outbox o where o.bucket = $1::smallint and o.party_index = p.party_index)
returning p.party_index;
