-- Opening, changing and reading sessions. Whatever is about to be queued for a person makes the person's row first.

-- name: open_1_people
-- $1 bucket | $2 party indexes $3 key ids. -infinity: an older STOP still on its way must win over this row
insert into person (bucket, party_index, key_id, changed_at)
select $1::smallint, t.party_index, t.key_id, '-infinity' from unnest($2::bytea[], $3::int[]) as t(party_index, key_id)
 order by t.party_index
    on conflict (bucket, party_index) do nothing;

-- name: open_2_people
-- $1 bucket | $2 party indexes. Opted out = no session; then read what they hold, choose, write
select party_index, opted_out from person
 where bucket = $1::smallint and party_index = any ($2::bytea[])
 order by party_index for share;

-- name: hold_person
-- $1 bucket $2 party index. Waits for whoever acts on this person, and lets nobody else until the transaction ends
select party_index from person where bucket = $1::smallint and party_index = $2::bytea for no key update;

-- name: held
-- $1 bucket $2 now | $3 party indexes. The bindings that these people hold, open or cooling
select b.party_index, b.number_id, b.pair_index, nullif(b.held_until, 'infinity') as until
  from binding b
 where b.bucket = $1::smallint and b.party_index = any ($3::bytea[]) and b.held_until > $2::timestamptz;

-- name: open_3_write
-- $1 bucket $2 now $3 session id $4 account $5 pool $6 unique name $7 metadata $8 expires at $9 idle timeout $10 cool-down
-- $11 pair index $12 event id | $13 participant ids $14 slots $15 labels $16 party indexes $17 number ids $18 sealed phones
-- $19 epoch ids | $20 geo match $21 geo fallback $22 expiring notice $23 when it is due. No row = this id exists already. Fewer than
-- two bindings = a race was lost: roll back the whole transaction and choose again in a new one; in the same one it would deadlock
with s as (
    insert into session (bucket, id, account_id, pool_id, status, unique_name, metadata, created_at, expires_at,
                         idle_timeout, idle_at, cool_down, geo_match, geo_fallback, expiring_notice, expiring_at)
    values ($1::smallint, $3::uuid, $4::uuid, $5::uuid, 'open', $6::text, $7::jsonb, $2::timestamptz, $8::timestamptz,
            $9::int, $2::timestamptz + make_interval(secs => $9::int), $10::int, $20::text, $21::text, $22::int,
            $23::timestamptz)
        on conflict (bucket, id) do nothing
    returning id
), t as materialized (
    select u.id, u.slot, u.label, u.party_index, u.number_id, u.phone, u.epoch_id, s.id as session_id
      from s, unnest($13::uuid[], $14::smallint[], $15::text[], $16::bytea[], $17::uuid[], $18::bytea[], $19::int[])
        as u(id, slot, label, party_index, number_id, phone, epoch_id)
), pa as (
    insert into participant (bucket, id, session_id, slot, status, label, party_index, number_id, sealed_phone, epoch_id)
    select $1::smallint, t.id, t.session_id, t.slot, 'live', t.label, t.party_index, t.number_id, t.phone, t.epoch_id
      from t
), e as (
    insert into event (bucket, id, account_id, type, session_id, at)
    select $1::smallint, $12::uuid, $4::uuid, 'session.opened', s.id, $2::timestamptz from s
), b as (
    insert into binding as b (bucket, number_id, party_index, session_id, participant_id, pair_index, held_until)
    select $1::smallint, t.number_id, t.party_index, t.session_id, t.id, $11::bytea, 'infinity'
      from t order by t.number_id, t.party_index
        on conflict (bucket, number_id, party_index) do update
       set session_id = excluded.session_id, participant_id = excluded.participant_id,
           pair_index = excluded.pair_index, held_until = excluded.held_until
     where b.held_until <= $2::timestamptz
        or (b.pair_index = excluded.pair_index and b.held_until < 'infinity')
    returning b.number_id, b.party_index
)
select s.id, b.number_id, b.party_index from s left join b on true;

-- name: read
-- $1 bucket $2 account $3 session ids. Foreign and unknown ids both give no row
select id, pool_id, status, unique_name, metadata, created_at, expires_at, idle_timeout, cool_down, expiring_notice,
       last_message_at, closed_at, close_reason
  from session where bucket = $1::smallint and account_id = $2::uuid and id = any ($3::uuid[]);

-- name: participants
-- $1 bucket | $2 session ids. Who is in them now, or was when they closed
select p.id, p.session_id, p.slot, p.label, p.status, p.number_id, coalesce(e.opted_out, false) as opted_out
  from participant p
  left join person e on e.bucket = $1::smallint and e.party_index = p.party_index
 where p.bucket = $1::smallint and p.session_id = any ($2::uuid[]) and p.status <> 'replaced'
 order by p.session_id, p.slot;

-- name: list
-- $1 bucket $2 account $3 limit $4 before this id $5 status $6 unique name $7 pool. Newest first
select id, pool_id, status, unique_name, metadata, created_at, expires_at, idle_timeout, cool_down, expiring_notice,
       last_message_at, closed_at, close_reason
  from session
 where bucket = $1::smallint and account_id = $2::uuid and ($4::uuid is null or id < $4::uuid)
   and ($5::text is null or status = $5::text) and ($6::text is null or unique_name = $6::text)
   and ($7::uuid is null or pool_id = $7::uuid)
 order by id desc limit $3;

-- name: lock
-- $1 bucket $2 account $3 session id. No row = unknown or somebody else's
select id, status, cool_down, expires_at, idle_timeout, idle_at, expiring_notice, expiring_at, last_leg_no from session
 where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid for no key update;

-- name: change
-- $1 bucket $2 session id $3 expires at $4 idle timeout $5 idle at $6 metadata $7 expiring notice $8 when it is due. The session
-- is locked and open
update session set expires_at = $3::timestamptz, idle_timeout = $4::int, idle_at = $5::timestamptz, metadata = $6::jsonb,
                   expiring_notice = $7::int, expiring_at = $8::timestamptz
 where bucket = $1::smallint and id = $2::uuid;

-- name: recipient
-- $1 bucket $2 session id $3 participant id. Whom a text from the platform is for; its person is locked
with pa as materialized (
    select id, session_id, party_index, number_id, sealed_phone, epoch_id from participant
     where bucket = $1::smallint and id = $3::uuid and session_id = $2::uuid and status = 'live'
)
select pa.id, pa.party_index, pa.number_id, pa.sealed_phone, pa.epoch_id, pe.opted_out
  from pa join person pe on pe.bucket = $1::smallint and pe.party_index = pa.party_index
   for share of pe;
