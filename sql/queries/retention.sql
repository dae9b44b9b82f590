-- Forgetting, in small batches of one bucket: look, lock the bucket's row, look again and delete. And holds, which forbid it.
-- `(select ...) is null` where one would write `not exists`: that becomes a join, and its plan, made while a table was empty,
-- reads all of a bucket for every row.

-- name: lock
-- $1 bucket. One forgetting at a time in a bucket, and none while a hold is being placed there
insert into forgetting as f (bucket) values ($1::smallint)
    on conflict (bucket) do update set passed_at = f.passed_at;

-- name: pass
-- $1 bucket $2 now. Nothing is left to forget
insert into forgetting (bucket, passed_at) values ($1::smallint, $2::timestamptz)
    on conflict (bucket) do update set passed_at = excluded.passed_at;

-- name: old_messages
-- $1 bucket $2 lower than any id of then $3 received before $4 states that are an end $5 limit. An id may be older than its row
select m.id from message m
 where m.bucket = $1::smallint and m.id < $2::uuid and m.received_at <= $3::timestamptz and m.state = any ($4::text[])
   and (select h.id from hold h where h.bucket = $1::smallint and h.session_id = m.session_id and h.lifted_at is null) is null
 order by m.id limit $5;

-- name: forget_messages
-- $1 bucket | $2 message ids. Their attempts go with them. Its own snapshot: sees a hold that the lock waited for
with m as (
    delete from message
     where message.bucket = $1::smallint and message.id = any ($2::uuid[])
       and (select h.id from hold h
             where h.bucket = $1::smallint and h.session_id = message.session_id and h.lifted_at is null) is null
    returning message.id
), a as (
    delete from attempt using m where attempt.bucket = $1::smallint and attempt.message_id = m.id
)
select id from m;

-- name: old_events
-- $1 bucket $2 lower than any id of then $3 happened before $4 limit. To be sealed first, where they are not
select e.id from event e
 where e.bucket = $1::smallint and e.id < $2::uuid and e.at <= $3::timestamptz
   and (select h.id from hold h where h.bucket = $1::smallint and h.session_id = e.session_id and h.lifted_at is null) is null
 order by e.id limit $4;

-- name: forget_events
-- $1 bucket | $2 event ids. None that is not in its account's log; what lies beside those that go, goes with them
with e as (
    delete from event
     where event.bucket = $1::smallint and event.id = any ($2::uuid[])
       and (select s.event_id from sealed_event s where s.bucket = $1::smallint and s.event_id = event.id) is not null
       and (select h.id from hold h
             where h.bucket = $1::smallint and h.session_id = event.session_id and h.lifted_at is null) is null
    returning event.id
), s as (
    delete from sealed_event using e where sealed_event.bucket = $1::smallint and sealed_event.event_id = e.id
), n as (
    delete from numbered_event using e where numbered_event.bucket = $1::smallint and numbered_event.event_id = e.id
), d as (
    delete from delivery using e where delivery.bucket = $1::smallint and delivery.event_id = e.id
)
select id from e;

-- name: old_sessions
-- $1 bucket $2 closed before $3 limit. After their messages, of which a late one may be younger, and after their bindings
select s.id from session s
 where s.bucket = $1::smallint and s.status = 'closed' and s.closed_at <= $2::timestamptz
   and (select m.id from message m where m.bucket = $1::smallint and m.session_id = s.id limit 1) is null
   and (select b.session_id from binding b where b.bucket = $1::smallint and b.session_id = s.id limit 1) is null
   and (select h.id from hold h where h.bucket = $1::smallint and h.session_id = s.id and h.lifted_at is null) is null
 order by s.closed_at limit $3;

-- name: lock_sessions
-- $1 bucket | $2 session ids. Waits for whoever is taking in a text that names one of them
select id from session where bucket = $1::smallint and id = any ($2::uuid[]) order by id for update;

-- name: forget_sessions
-- $1 bucket | $2 session ids, locked. Their participants and the record of their holds and erasures go with them
with s as (
    delete from session s
     where s.bucket = $1::smallint and s.id = any ($2::uuid[])
       and (select m.id from message m where m.bucket = $1::smallint and m.session_id = s.id limit 1) is null
       and (select b.session_id from binding b where b.bucket = $1::smallint and b.session_id = s.id limit 1) is null
       and (select h.id from hold h where h.bucket = $1::smallint and h.session_id = s.id and h.lifted_at is null) is null
    returning s.id
), p as (
    delete from participant using s where participant.bucket = $1::smallint and participant.session_id = s.id
), h as (
    delete from hold using s where hold.bucket = $1::smallint and hold.session_id = s.id
), r as (
    delete from erasure using s where erasure.bucket = $1::smallint and erasure.session_id = s.id
), q as (
    delete from session_sequence using s where session_sequence.bucket = $1::smallint and session_sequence.session_id = s.id
)
select id from s;

-- name: connections_with_keys
-- $1 bucket. The connections that have inbox keys here, one step of the primary key for each
with recursive c as (
    (select i.connection_id from inbox_key i where i.bucket = $1::smallint order by i.connection_id limit 1)
    union all
    select (select i.connection_id from inbox_key i
             where i.bucket = $1::smallint and i.connection_id > c.connection_id order by i.connection_id limit 1)
      from c where c.connection_id is not null
)
select connection_id from c where connection_id is not null;

-- name: forget_keys
-- $1 bucket $2 connection $3 came before $4 limit
with old as materialized (
    select i.kind, i.key from inbox_key i
     where i.bucket = $1::smallint and i.connection_id = $2::uuid and i.at <= $3::timestamptz limit $4
)
delete from inbox_key k
 where k.bucket = $1::smallint and k.connection_id = $2::uuid and k.kind = any (array(select distinct old.kind from old))
   and k.key = any (array(select old.key from old)) and k.at <= $3::timestamptz
returning k.kind;

-- name: place_hold
-- $1 bucket $2 session $3 id $4 account $5 reason $6 now $7 key $8 event id. No row = no such session of this account, it is
-- erased, or a hold stands already
with h as (
    insert into hold as h (bucket, session_id, id, account_id, reason, placed_at, placed_by)
    select $1::smallint, s.id, $3::uuid, $4::uuid, $5::text, $6::timestamptz, $7::uuid
      from session s where s.bucket = $1::smallint and s.account_id = $4::uuid and s.id = $2::uuid
         and s.close_reason is distinct from 'erased'
        on conflict (bucket, session_id) do update
       set id = excluded.id, reason = excluded.reason, placed_at = excluded.placed_at, placed_by = excluded.placed_by,
           lifted_at = null
     where h.lifted_at is not null
    returning h.id, h.session_id, h.account_id, h.reason
), e as (
    insert into event (bucket, id, account_id, type, session_id, reason, at)
    select $1::smallint, $8::uuid, h.account_id, 'privacy.hold', h.session_id, h.reason, $6::timestamptz from h
)
select id from h;

-- name: standing_hold
-- $1 bucket $2 account $3 session
select id, session_id, reason, placed_at, placed_by from hold
 where bucket = $1::smallint and account_id = $2::uuid and session_id = $3::uuid and lifted_at is null;

-- name: lift_hold
-- $1 bucket $2 account $3 session $4 now $5 event id
with h as (
    update hold set lifted_at = $4::timestamptz
     where bucket = $1::smallint and account_id = $2::uuid and session_id = $3::uuid and lifted_at is null
    returning session_id, account_id
), e as (
    insert into event (bucket, id, account_id, type, session_id, reason, at)
    select $1::smallint, $5::uuid, h.account_id, 'privacy.hold', h.session_id, 'lifted', $4::timestamptz from h
)
select session_id from h;
