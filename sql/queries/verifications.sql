-- Proving a phone by a code: sent, checked, approved or failed, its proof used once, forgotten after a day.

-- name: read
-- $1 bucket $2 account $3 verification id. No row = unknown or somebody else's
select party_index, purpose, status, last_check, expires_at from verification
 where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid;

-- name: sent_since
-- $1 bucket $2 account $3 a person's party indexes $4 since. When this person was sent codes; complete while the person is locked
select created_at from verification
 where bucket = $1::smallint and account_id = $2::uuid and party_index = any ($3::bytea[]) and created_at > $4::timestamptz
 order by created_at;

-- name: pending_of
-- $1 bucket $2 account $3 a person's party indexes $4 purpose. What a new code takes the place of
select id, expires_at from verification
 where bucket = $1::smallint and account_id = $2::uuid and party_index = any ($3::bytea[]) and purpose = $4::text
   and status = 'pending';

-- name: start
-- $1 bucket $2 now $3 id $4 account $5 party index $6 purpose $7 digest $8 key id $9 expires at $10 event id
with v as (
    insert into verification (bucket, id, account_id, party_index, purpose, status, digest, key_id, created_at, expires_at)
    values ($1::smallint, $3::uuid, $4::uuid, $5::bytea, $6::text, 'pending', $7::bytea, $8::int, $2::timestamptz,
            $9::timestamptz)
    returning id, account_id
)
insert into event (bucket, id, account_id, type, verification_id, at)
select $1::smallint, $10::uuid, v.account_id, 'verification.started', v.id, $2::timestamptz from v;

-- name: count
-- $1 bucket $2 now $3 account $4 verification id $5 check id $6 most checks. A check is counted before anything is compared,
-- and only what comes back may be. The same check again is not counted again
update verification set checks = checks + (last_check is distinct from $5::uuid)::int, last_check = $5::uuid
 where bucket = $1::smallint and account_id = $3::uuid and id = $4::uuid and status = 'pending'
   and expires_at > $2::timestamptz and checks < $6::int
returning party_index, purpose, digest, key_id, checks;

-- name: approve
-- $1 bucket $2 now $3 verification id $4 event id $5 its proof is good until. The code was right
with v as (
    update verification set status = 'approved', digest = null, key_id = null, token_until = $5::timestamptz
     where bucket = $1::smallint and id = $3::uuid and status = 'pending'
    returning id, account_id
)
insert into event (bucket, id, account_id, type, verification_id, at)
select $1::smallint, $4::uuid, v.account_id, 'verification.approved', v.id, $2::timestamptz from v;

-- name: fail
-- $1 bucket $2 now $3 reason | $4 verification ids $5 event ids. No code can be right any more
with held as materialized (
    select id from verification
     where bucket = $1::smallint and id = any ($4::uuid[]) and status = 'pending'
     order by id for no key update
), v as (
    update verification set status = 'failed', reason = $3::text, digest = null, key_id = null
      from held join unnest($4::uuid[], $5::uuid[]) as u(id, event_id) on u.id = held.id
     where verification.bucket = $1::smallint and verification.id = held.id
    returning verification.id, verification.account_id, u.event_id
), e as (
    insert into event (bucket, id, account_id, type, verification_id, reason, at)
    select $1::smallint, v.event_id, v.account_id, 'verification.failed', v.id, $3::text, $2::timestamptz from v
)
select id from v;

-- name: good
-- $1 bucket $2 now $3 account $4 purpose | $5 verification ids $6 party indexes. Whose proofs would be taken now
select v.id from unnest($5::uuid[], $6::bytea[]) as u(id, party_index)
  join verification v on v.bucket = $1::smallint and v.id = u.id and v.party_index = u.party_index
 where v.bucket = $1::smallint and v.account_id = $3::uuid and v.purpose = $4::text and v.status = 'approved'
   and v.token_until > $2::timestamptz and v.used_by is null;

-- name: use
-- $1 bucket $2 now $3 account $4 purpose $5 used by | $6 verification ids $7 party indexes. Each once; what comes back was
-- taken. Whoever took one before, unseen, is told again
with held as materialized (
    select v.id from verification v join unnest($6::uuid[], $7::bytea[]) as u(id, party_index)
        on v.id = u.id and v.party_index = u.party_index
     where v.bucket = $1::smallint and v.account_id = $3::uuid and v.purpose = $4::text and v.status = 'approved'
       and v.token_until > $2::timestamptz and (v.used_by is null or v.used_by = $5::uuid)
     order by v.id for no key update of v
)
update verification set used_by = $5::uuid
  from held where verification.bucket = $1::smallint and verification.id = held.id
returning verification.id;

-- name: overdue
-- $1 bucket $2 now $3 limit. Pending, and too late for any code
select id from verification
 where bucket = $1::smallint and status = 'pending' and expires_at <= $2::timestamptz
 order by expires_at limit $3;

-- name: forget
-- $1 bucket $2 a day ago $3 limit. Never a pending one: its end has to be told first
delete from verification v using (select id from verification
                                   where bucket = $1::smallint and created_at <= $2::timestamptz and status <> 'pending'
                                   limit $3) as old
 where v.bucket = $1::smallint and v.id = old.id
returning v.id;
