-- What changes about a number with use: its state, and who holds it. Rows of the pool's bucket.

-- name: add_state
-- $1 bucket $2 number $3 account $4 state $5 now $6 event id
with s as (
    insert into number_state (bucket, number_id, account_id, state, changed_at)
    values ($1::smallint, $2::uuid, $3::uuid, $4::text, $5::timestamptz)
        on conflict (bucket, number_id) do nothing
    returning number_id, account_id
)
insert into event (bucket, id, account_id, type, number_id, at)
select $1::smallint, $6::uuid, s.account_id, 'number.added', s.number_id, $5::timestamptz from s;

-- name: change_state
-- $1 bucket $2 number $3 account $4 state $5 now $6 event id. The event is named for the new state
with s as (
    update number_state set state = $4::text, changed_at = $5::timestamptz
     where bucket = $1::smallint and number_id = $2::uuid and account_id = $3::uuid and state <> $4::text
    returning number_id, account_id
)
insert into event (bucket, id, account_id, type, number_id, at)
select $1::smallint, $6::uuid, s.account_id,
       case $4::text when 'unregistered' then 'number.quarantined' else 'number.' || $4::text end, s.number_id,
       $5::timestamptz
  from s;

-- name: remove_state
-- $1 bucket $2 number $3 account $4 now $5 event id. Only when nobody holds it, open or cooling, and nothing waits on it
with s as (
    delete from number_state n
     where n.bucket = $1::smallint and n.number_id = $2::uuid and n.account_id = $3::uuid
       and not exists (select 1 from binding b where b.bucket = $1::smallint and b.number_id = n.number_id)
       and not exists (select 1 from outbox o where o.bucket = $1::smallint and o.number_id = n.number_id)
    returning n.number_id, n.account_id
), e as (
    insert into event (bucket, id, account_id, type, number_id, at)
    select $1::smallint, $5::uuid, s.account_id, 'number.released', s.number_id, $4::timestamptz from s
)
select number_id from s;

-- name: lock_states
-- $1 bucket | $2 number ids. Held for share by an open, so that no number is drained or released under it
select number_id, state from number_state
 where bucket = $1::smallint and number_id = any ($2::uuid[]) order by number_id for share;

-- name: states
-- $1 bucket. Every number of the bucket
select number_id, state from number_state where bucket = $1::smallint;

-- name: in_use
-- $1 bucket | $2 number ids. How many people hold each, open or cooling
select number_id, count(*) as people from binding
 where bucket = $1::smallint and number_id = any ($2::uuid[]) group by number_id;

-- name: busiest
-- $1 bucket $2 account | $3 number ids. How many of these numbers the busiest person holds, open or cooling
select coalesce(max(held), 0) from (
    select count(*) as held from binding
     where bucket = $1::smallint and number_id = any ($3::uuid[]) and $2::uuid is not null
     group by party_index) as per_person;

-- name: open_sessions
-- $1 bucket $2 account $3 pool
select count(*) from session
 where bucket = $1::smallint and account_id = $2::uuid and pool_id = $3::uuid and status = 'open';
