-- Taking texts in: four steps in one transaction. Steps 2a and 2b are two statements on purpose: after a lock wait only
-- the locked row is read anew, while the rest of a statement still sees what was there when it began.

-- name: keys
-- $1 bucket $2 now | $3 connection ids $4 kinds $5 keys $6 fingerprints $7 key ids | carrier copies: $8 keys $9 ids $10 accounts
-- $11 connections $12 sealed names $13 key ids $14 due. What comes back is new
with k as (
    insert into inbox_key (bucket, connection_id, kind, key, fingerprint, key_id, at)
    select $1::smallint, t.connection_id, t.kind, t.key, t.fingerprint, t.key_id, $2::timestamptz
      from unnest($3::uuid[], $4::smallint[], $5::bytea[], $6::bytea[], $7::int[])
        as t(connection_id, kind, key, fingerprint, key_id)
     order by t.connection_id, t.kind, t.key
        on conflict (bucket, connection_id, kind, key) do nothing
    returning inbox_key.connection_id, inbox_key.kind, inbox_key.key
), r as (
    insert into redaction (bucket, id, account_id, connection_id, sealed_provider_id, redaction_id, since, due_at)
    select $1::smallint, t.id, t.account_id, t.connection_id, t.sealed, t.key_id, $2::timestamptz, t.due_at
      from unnest($8::bytea[], $9::uuid[], $10::uuid[], $11::uuid[], $12::bytea[], $13::int[], $14::timestamptz[])
        as t(key, id, account_id, connection_id, sealed, key_id, due_at)
      join k on k.connection_id = t.connection_id and k.key = t.key
)
select k.connection_id, k.kind, k.key from k;

-- name: seen
-- $1 bucket | $2 connection ids $3 kinds $4 keys that did not come back. Another fingerprint than ours is an alarm
select k.connection_id, k.kind, k.key, k.fingerprint
  from unnest($2::uuid[], $3::smallint[], $4::bytea[]) as t(connection_id, kind, key)
  join inbox_key k on k.bucket = $1::smallint and k.connection_id = t.connection_id and k.kind = t.kind and k.key = t.key
 where k.bucket = $1::smallint;

-- name: lock_sessions
-- $1 bucket | $2 number ids $3 party indexes. Locks only; reads nothing that another row owns
select s.id, s.account_id, s.status, s.expires_at, s.idle_at, s.last_leg_no
  from session s
 where s.bucket = $1::smallint
   and s.id = any (array(select b.session_id from unnest($2::uuid[], $3::bytea[]) as t(number_id, party_index)
                           join binding b on b.bucket = $1::smallint and b.number_id = t.number_id
                            and b.party_index = t.party_index))
 order by s.id
   for no key update;

-- name: people
-- $1 bucket | $2 the locked sessions. Its own snapshot: sees the close or replacement that the lock waited for. Nobody adds
-- to their legs while they are locked: who awaits nothing now will not before this transaction ends
with pa as materialized (
    select id, session_id, slot, status, party_index, number_id, sealed_phone, epoch_id
      from participant where bucket = $1::smallint and session_id = any ($2::uuid[]) and party_index is not null
), pe as materialized (
    select party_index, opted_out from person
     where bucket = $1::smallint and party_index = any (array(select party_index from pa))
     order by party_index for share
)
select pa.id, pa.session_id, pa.slot, pa.status, pa.party_index, pa.number_id, pa.sealed_phone, pa.epoch_id,
       coalesce(pe.opted_out, true) as opted_out, b.participant_id is not null as bound,
       exists (select 1 from outbox o
                where o.bucket = $1::smallint and o.session_id = pa.session_id and o.to_participant = pa.id
                  and o.phase in ('queued', 'sending')) as awaits
  from pa
  left join pe on pe.party_index = pa.party_index
  left join binding b on b.bucket = $1::smallint and b.number_id = pa.number_id and b.party_index = pa.party_index
   and b.participant_id = pa.id;

-- name: claim_answers
-- $1 bucket $2 now $3 a day ago, or another time | $4 number ids $5 party indexes $6 kinds. What comes back may be answered
insert into answer as a (bucket, number_id, party_index, kind, last_at)
select $1::smallint, t.number_id, t.party_index, t.kind, $2::timestamptz
  from unnest($4::uuid[], $5::bytea[], $6::text[]) as t(number_id, party_index, kind)
 order by t.number_id, t.party_index, t.kind
    on conflict (bucket, number_id, party_index, kind) do update set last_at = excluded.last_at
 where a.last_at <= $3::timestamptz
returning a.number_id, a.party_index, a.kind;
