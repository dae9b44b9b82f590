-- Erasing a session: its own words at once, its messages in batches when they have ended. Of a leg with a send under way nothing goes
-- yet: what became of that send is told by comparing it with the leg's others.

-- name: erase
-- $1 bucket $2 now $3 session $4 event id. It is locked and closed. Who took part, and what they hold while it cools down, stays
with s as (
    update session set metadata = '{}', unique_name = null, close_reason = 'erased', journaled = false
     where bucket = $1::smallint and id = $3::uuid and status = 'closed'
    returning id, account_id
), p as (
    update participant set label = ''
      from s where participant.bucket = $1::smallint and participant.session_id = s.id and participant.label <> ''
), r as (
    insert into erasure (bucket, session_id, account_id, asked_at)
    select $1::smallint, s.id, s.account_id, $2::timestamptz from s
        on conflict (bucket, session_id) do nothing
), e as (
    insert into event (bucket, id, account_id, type, session_id, reason, at)
    select $1::smallint, $4::uuid, s.account_id, 'session.erased', s.id, 'erased', $2::timestamptz from s
)
select id from s;

-- name: erase_again
-- $1 bucket $2 now $3 session. It was erased before; a late text may have come since
insert into erasure (bucket, session_id, account_id, asked_at)
select $1::smallint, s.id, s.account_id, $2::timestamptz from session s
 where s.bucket = $1::smallint and s.id = $3::uuid and s.close_reason = 'erased'
    on conflict (bucket, session_id) do nothing;

-- name: ended
-- $1 bucket $2 session $3 states that are an end $4 limit
select m.id from message m
 where m.bucket = $1::smallint and m.session_id = $2::uuid and m.state = any ($3::text[])
   and (select w.id from message w
         where w.bucket = $1::smallint and w.to_participant = m.to_participant and w.state = 'sending' limit 1) is null
 order by m.id limit $4;

-- name: forget
-- $1 bucket $2 states that are an end | $3 message ids. Their attempts go with them
with held as materialized (
    select id from message
     where bucket = $1::smallint and id = any ($3::uuid[]) and state = any ($2::text[])
     order by id for update
), m as (
    delete from message using held where message.bucket = $1::smallint and message.id = held.id
    returning message.id
), a as (
    delete from attempt using m where attempt.bucket = $1::smallint and attempt.message_id = m.id
)
select id from m;

-- name: finish
-- $1 bucket $2 session. Only when nothing of it is left
delete from erasure r
 where r.bucket = $1::smallint and r.session_id = $2::uuid
   and (select m.id from message m where m.bucket = $1::smallint and m.session_id = $2::uuid limit 1) is null
returning r.session_id;

-- name: unfinished
-- $1 bucket $2 states that are an end $3 limit. Where there is something to do: a message that may go, or none at all
select r.account_id, r.session_id from erasure r
 where r.bucket = $1::smallint
   and ((select m.id from message m
          where m.bucket = $1::smallint and m.session_id = r.session_id and m.state = any ($2::text[])
            and (select w.id from message w
                  where w.bucket = $1::smallint and w.to_participant = m.to_participant and w.state = 'sending'
                  limit 1) is null
          limit 1) is not null
        or (select m.id from message m where m.bucket = $1::smallint and m.session_id = r.session_id limit 1) is null)
 order by r.session_id limit $3;

-- name: remains
-- $1 bucket $2 session. What is kept of it for now: how long its numbers cool down, and whether any of its messages is there
select (select max(b.held_until) from binding b where b.bucket = $1::smallint and b.session_id = $2::uuid) as cooling_until,
       exists (select 1 from message m where m.bucket = $1::smallint and m.session_id = $2::uuid) as has_messages;
