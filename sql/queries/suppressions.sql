-- STOP and START: the person's row in a bucket, that person's unsent texts, and the way to every pool of the account.

-- name: is_opted_out
-- $1 bucket $2 party index. START means something only to a person who has opted out
select coalesce((select opted_out from person where bucket = $1::smallint and party_index = $2::bytea), false);

-- name: lock_person
-- $1 bucket $2 party index. What this person wished before, held until the new wish is written
select opted_out, nullif(changed_at, '-infinity') as changed_at from person where bucket = $1::smallint and party_index = $2::bytea for update;

-- name: change_person
-- $1 bucket $2 arrived $3 party index $4 key id $5 opted out $6 event id $7 account. A row back = it is news here
with p as (
    insert into person as p (bucket, party_index, key_id, opted_out, changed_at)
    values ($1::smallint, $3::bytea, $4::int, $5::boolean, $2::timestamptz)
        on conflict (bucket, party_index) do update set opted_out = excluded.opted_out, changed_at = excluded.changed_at
     where p.changed_at < excluded.changed_at
    returning p.party_index
), e as (
    insert into event (bucket, id, account_id, type, at)
    select $1::smallint, $6::uuid, $7::uuid,
           case when $5::boolean then 'participant.opted_out' else 'participant.opted_in' end, $2::timestamptz
      from p
     where $6::uuid is not null
)
select party_index from p;

-- name: unsent_to
-- $1 bucket $2 a person's party indexes. After change_person, its own snapshot: what must not leave any more
select m.id, m.state, exists (select 1 from attempt a
                where a.bucket = $1::smallint and a.message_id = m.id and a.outcome = 'ambiguous') as may_have_left
  from message m
 where m.bucket = $1::smallint and m.state in ('queued', 'parked') and m.kind <> 'stop_reply'
   and (m.to_participant = any (array(select p.id from participant p
                                       where p.bucket = $1::smallint and p.party_index = any ($2::bytea[])))
        or m.id = any (array(select o.message_id from outbox o
                              where o.bucket = $1::smallint and o.party_index = any ($2::bytea[])
                                and o.kind in ('notice', 'code'))))
 order by m.id for no key update;

-- name: stop
-- $1 bucket $2 now | $3 ids to stop $4 event ids $5 states $6 reasons
with m as (
    update message set state = u.state, reason = u.reason, changed_at = $2::timestamptz
      from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[]) as u(id, event_id, state, reason)
     where message.bucket = $1::smallint and message.id = u.id and message.state in ('queued', 'parked')
    returning message.id, message.account_id, message.session_id, message.to_participant, u.event_id, u.state, u.reason
), o as (
    delete from outbox where bucket = $1::smallint and message_id = any ($3::uuid[])
), e as (
    insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, reason, at)
    select $1::smallint, m.event_id, m.account_id, 'message.' || m.state, m.session_id, m.to_participant, m.id, m.reason,
           $2::timestamptz
      from m
)
select id from m;

-- name: begin_fanout
-- $1 bucket $2 id $3 account $4 party index $5 key id $6 opted out $7 arrived | $8 the person's other indexes $9 their key ids
insert into fanout (bucket, id, account_id, party_index, key_id, opted_out, arrived_at, other_indexes, other_key_ids)
values ($1::smallint, $2::uuid, $3::uuid, $4::bytea, $5::int, $6::boolean, $7::timestamptz, $8::bytea[], $9::int[])
    on conflict (bucket, id) do nothing;

-- name: standing_fanout
-- $1 bucket $2 a person's party indexes. A STOP or START of this person that has not reached every pool
select id, account_id, party_index, key_id, opted_out, arrived_at, other_indexes, other_key_ids from fanout
 where bucket = $1::smallint and party_index = any ($2::bytea[]) order by arrived_at;

-- name: old_fanouts
-- $1 bucket $2 begun before $3 limit. What a crash left
select id, account_id, party_index, key_id, opted_out, arrived_at, other_indexes, other_key_ids from fanout
 where bucket = $1::smallint and arrived_at < $2::timestamptz order by arrived_at limit $3;

-- name: end_fanout
-- $1 bucket $2 id. Every pool knows
delete from fanout where bucket = $1::smallint and id = $2::uuid;

-- name: suppress
-- $1 account's bucket $2 account $3 party index $4 key id $5 opted out $6 arrived
insert into suppression as s (bucket, account_id, party_index, key_id, opted_out, changed_at)
values ($1::smallint, $2::uuid, $3::bytea, $4::int, $5::boolean, $6::timestamptz)
    on conflict (bucket, account_id, party_index) do update set opted_out = excluded.opted_out, changed_at = excluded.changed_at
 where s.changed_at < excluded.changed_at;

-- name: suppressed
-- $1 account's bucket $2 account. What a new pool must know before it is ready
select party_index, key_id, changed_at from suppression
 where bucket = $1::smallint and account_id = $2::uuid and opted_out order by party_index;

-- name: copy_people
-- $1 bucket | $2 party indexes $3 key ids $4 changed at. Opt-outs known before this pool was
insert into person as p (bucket, party_index, key_id, opted_out, changed_at)
select $1::smallint, t.party_index, t.key_id, true, t.changed_at
  from unnest($2::bytea[], $3::int[], $4::timestamptz[]) as t(party_index, key_id, changed_at)
 order by t.party_index
    on conflict (bucket, party_index) do update set opted_out = true, changed_at = excluded.changed_at
 where p.changed_at < excluded.changed_at;

-- name: forget_answers
-- $1 bucket $2 a day ago $3 limit. Rows that forbid nothing any more
delete from answer a using (select number_id, party_index, kind from answer
                             where bucket = $1::smallint and last_at <= $2::timestamptz limit $3) as old
 where a.bucket = $1::smallint and a.number_id = old.number_id and a.party_index = old.party_index and a.kind = old.kind
   and a.last_at <= $2::timestamptz
returning a.kind;
