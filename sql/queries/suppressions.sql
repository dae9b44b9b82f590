-- STOP and START: the person's row in a bucket, that person's unsent texts, and the way to every pool of the account.

-- name: is_opted_out
-- $1 bucket $2 party index. START means something only to a person who has opted out
select coalesce((select opted_out from person where bucket = $1::smallint and party_index = $2::bytea), false);

-- name: lock_person
-- $1 bucket $2 party index. What this person wished before, held until the new wish is written
select opted_out, nullif(changed_at, '-infinity') as changed_at from person where bucket = $1::smallint and party_index = $2::bytea for update;

-- name: change_people
-- $1 bucket $2 account $3 opted out | $4 party indexes (each once) $5 key ids $6 arrived $7 event ids, or nulls $8 event reasons. A row
-- back = it is news here
with p as (
    insert into person as p (bucket, party_index, key_id, opted_out, changed_at)
    select $1::smallint, t.party_index, t.key_id, $3::boolean, t.at
      from unnest($4::bytea[], $5::int[], $6::timestamptz[]) as t(party_index, key_id, at)
     order by t.party_index
        on conflict (bucket, party_index) do update set opted_out = excluded.opted_out, changed_at = excluded.changed_at
     where p.changed_at < excluded.changed_at
    returning p.party_index, p.changed_at
), e as (
    insert into event (bucket, id, account_id, type, reason, at)
    select $1::smallint, t.event_id, $2::uuid,
           case when $3::boolean then 'participant.opted_out' else 'participant.opted_in' end, t.reason, p.changed_at
      from unnest($4::bytea[], $7::uuid[], $8::text[]) as t(party_index, event_id, reason)
      join p on p.party_index = t.party_index
     where t.event_id is not null
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

-- name: unsent_confirmations
-- $1 bucket $2 a person's party indexes. After change_person, its own snapshot: what START makes untrue
select m.id, m.state, exists (select 1 from attempt a
                where a.bucket = $1::smallint and a.message_id = m.id and a.outcome = 'ambiguous') as may_have_left
  from message m
 where m.bucket = $1::smallint and m.state in ('queued', 'parked')
   and m.id = any (array(select o.message_id from outbox o
                          where o.bucket = $1::smallint and o.party_index = any ($2::bytea[]) and o.kind = 'stop_reply'))
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

-- name: begin_fanouts
-- $1 bucket $2 account $3 opted out | $4 ids $5 party indexes $6 key ids $7 arrived $8 sources $9 reasons | $10 how many other indexes
-- each person has $11 these, one person's after the other's $12 their key ids
insert into fanout (bucket, id, account_id, party_index, key_id, opted_out, arrived_at, source, reason, other_indexes, other_key_ids)
select $1::smallint, t.id, $2::uuid, t.party_index, t.key_id, $3::boolean, t.at, t.source, t.reason,
       ($11::bytea[])[(t.n - 1) * $10::int + 1 : t.n * $10::int], ($12::int[])[(t.n - 1) * $10::int + 1 : t.n * $10::int]
  from unnest($4::uuid[], $5::bytea[], $6::int[], $7::timestamptz[], $8::text[], $9::text[])
       with ordinality as t(id, party_index, key_id, at, source, reason, n)
    on conflict (bucket, id) do nothing;

-- name: whom
-- $1 bucket $2 message $3 attempt. To whom a text went and when that began; no row when nobody can tell any more, nor for a stranger's
-- attempt
select m.account_id, pa.party_index, pe.key_id, a.begun_at
  from message m
  join attempt a on a.bucket = $1::smallint and a.id = $3::uuid and a.message_id = m.id
  join participant pa on pa.bucket = $1::smallint and pa.id = m.to_participant
  join person pe on pe.bucket = $1::smallint and pe.party_index = pa.party_index
 where m.bucket = $1::smallint and m.id = $2::uuid;

-- name: standing_fanout
-- $1 bucket $2 a person's party indexes. A STOP or START of this person that has not reached every pool
select id, account_id, party_index, key_id, opted_out, arrived_at, source, reason, other_indexes, other_key_ids from fanout
 where bucket = $1::smallint and party_index = any ($2::bytea[]) order by arrived_at;

-- name: old_fanouts
-- $1 bucket $2 begun before $3 limit. What a crash left
select id, account_id, party_index, key_id, opted_out, arrived_at, source, reason, other_indexes, other_key_ids from fanout
 where bucket = $1::smallint and arrived_at < $2::timestamptz order by arrived_at limit $3;

-- name: end_fanouts
-- $1 bucket | $2 ids. Every pool knows
delete from fanout where bucket = $1::smallint and id = any ($2::uuid[]);

-- name: suppress
-- $1 account's bucket $2 account $3 opted out | $4 ids $5 party indexes (each once) $6 key ids $7 arrived $8 sources $9 reasons. The
-- newest wish holds; who has opted out themselves is not taken for somebody whom the account has put here
insert into suppression as s (bucket, account_id, id, party_index, key_id, opted_out, changed_at, source, reason)
select $1::smallint, $2::uuid, t.id, t.party_index, t.key_id, $3::boolean, t.at, t.source, case when $3::boolean then t.reason end
  from unnest($4::uuid[], $5::bytea[], $6::int[], $7::timestamptz[], $8::text[], $9::text[])
       as t(id, party_index, key_id, at, source, reason)
 order by t.party_index
    on conflict (bucket, account_id, party_index) do update
       set opted_out = excluded.opted_out, changed_at = greatest(s.changed_at, excluded.changed_at), id = excluded.id,
           source = excluded.source, reason = excluded.reason
 where s.changed_at < excluded.changed_at
    or (s.opted_out and excluded.opted_out and s.source in ('api', 'import') and excluded.source in ('person', 'carrier'));

-- name: lock_listed
-- $1 account's bucket $2 account | $3 party indexes. What the list says of these people, kept from changing
select s.party_index, s.id, s.opted_out, s.changed_at, s.source, s.reason from suppression s
 where s.bucket = $1::smallint and s.account_id = $2::uuid and s.party_index = any ($3::bytea[])
 order by s.party_index for update;

-- name: listed
-- $1 account's bucket $2 account $3 older than this id, or null $4 limit. Newest first
select s.id, s.changed_at, s.source, s.reason from suppression s
 where s.bucket = $1::smallint and s.account_id = $2::uuid and s.opted_out
   and s.id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
 order by s.id desc limit $4;

-- name: among
-- $1 account's bucket $2 account | $3 party indexes. Which of these have opted out
select s.party_index from suppression s
 where s.bucket = $1::smallint and s.account_id = $2::uuid and s.party_index = any ($3::bytea[]) and s.opted_out;

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
