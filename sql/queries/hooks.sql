-- Hooks of pools, the texts that wait for what one says, and what becomes of them then.

-- name: all
-- every pool's
select id, account_id, pool_id, kind, timeout, on_timeout, sealed_settings, key_id, created_at from pool_hook order by created_at, id;

-- name: lock
-- $1 pool $2 kind. As it is now, so that two changes at once do not make two secrets
select id, account_id, pool_id, kind, timeout, on_timeout, sealed_settings, key_id, created_at
  from pool_hook where pool_id = $1 and kind = $2 for update;

-- name: set
-- $1 id $2 account $3 pool $4 kind $5 timeout $6 on timeout $7 sealed settings $8 key id $9 now
insert into pool_hook (id, account_id, pool_id, kind, timeout, on_timeout, sealed_settings, key_id, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (pool_id, kind) do update set timeout = excluded.timeout, on_timeout = excluded.on_timeout,
       id = excluded.id, sealed_settings = excluded.sealed_settings, key_id = excluded.key_id;

-- name: remove
-- $1 pool $2 kind. What waits for it is let go by whoever finds that there is nobody to ask
delete from pool_hook where pool_id = $1 and kind = $2;

-- name: ask_first
-- $1 bucket $2 now | $3 message ids, just written. They do not leave before somebody has been asked
update outbox set ask_at = $2::timestamptz, due_at = deadline_at
 where bucket = $1::smallint and message_id = any ($3::uuid[]);

-- name: due
-- $1 bucket $2 now $3 limit $4 numbers to leave out $5 messages that are being asked about. The first of each leg, oldest first
select o.message_id, o.account_id, o.session_id, m.from_participant, o.to_participant, o.number_id, o.sealed_phone,
       o.sealed_text, o.transit_id
  from outbox o
  join message m on m.bucket = $1::smallint and m.id = o.message_id
 where o.bucket = $1::smallint and o.phase = 'queued' and o.ask_at <= $2::timestamptz
   and o.number_id <> all ($4::uuid[]) and o.message_id <> all ($5::uuid[])
   and o.leg_no = (select e.leg_no from outbox e
                    where e.bucket = $1::smallint and e.phase in ('queued', 'sending') and e.ask_at is not null
                      and e.session_id = o.session_id and e.to_participant = o.to_participant
                    order by e.leg_no limit 1)
 order by o.ask_at, o.message_id
 limit $3;

-- name: allow
-- $1 bucket $2 now $3 message id. From here on the text is one like any other
update outbox set ask_at = null, due_at = $2::timestamptz
 where bucket = $1::smallint and message_id = $3::uuid and phase = 'queued' and ask_at is not null;

-- name: refuse
-- $1 bucket $2 now $3 message id $4 event id. Its session is locked
with m as (
    update message set state = 'refused', reason = 'hook_refused', changed_at = $2::timestamptz
      from outbox o
     where message.bucket = $1::smallint and message.id = $3::uuid and message.state = 'queued'
       and o.bucket = $1::smallint and o.message_id = message.id and o.ask_at is not null
    returning message.id, message.account_id, message.session_id, message.to_participant
), gone as (
    delete from outbox using m where outbox.bucket = $1::smallint and outbox.message_id = m.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, $4::uuid, m.account_id, 'message.refused', m.session_id, m.to_participant, m.id, 'hook_refused',
           $2::timestamptz
      from m
)
select id from m;

-- name: park
-- $1 bucket $2 now $3 message id $4 event id $5 deadline. Its session is locked. Retried by hand, it is asked about again
with m as (
    update message set state = 'parked', reason = 'hook_timeout', changed_at = $2::timestamptz
      from outbox o
     where message.bucket = $1::smallint and message.id = $3::uuid and message.state = 'queued'
       and o.bucket = $1::smallint and o.message_id = message.id and o.ask_at is not null
    returning message.id, message.account_id, message.session_id, message.to_participant
), kept as (
    update outbox set phase = 'parked', deadline_at = $5::timestamptz, due_at = $5::timestamptz
      from m where outbox.bucket = $1::smallint and outbox.message_id = m.id
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, $4::uuid, m.account_id, 'message.parked', m.session_id, m.to_participant, m.id, 'hook_timeout',
           $2::timestamptz
      from m
)
select id from m;
