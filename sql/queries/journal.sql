-- What the journal beside the keyring is told, and what a restored database is asked.

-- name: untold
-- $1 bucket $2 now $3 limit. Closed or erased since the journal was last told, or open with a change of who is in it
select s.id, s.close_reason, coalesce(s.closed_at, $2::timestamptz) as at, s.seating, s.people_since from session s
 where s.bucket = $1::smallint and not s.journaled
 order by s.id limit $3;

-- name: told
-- $1 bucket | $2 session ids $3 the reasons that the journal was told, null for an open one $4 their seatings. One that has changed
-- meanwhile is to be told again, even if somebody did that already: this word of it came later
update session set journaled = (session.close_reason is not distinct from t.reason and session.seating = t.seating)
  from unnest($2::uuid[], $3::text[], $4::int[]) as t(id, reason, seating)
 where session.bucket = $1::smallint and session.id = t.id;

-- name: position
-- $1 journal. Up to which entry this database knows it
select position from journal where id = $1::uuid;

-- name: advance
-- $1 journal $2 position
insert into journal as j (id, position) values ($1::uuid, $2::bigint)
    on conflict (id) do update set position = greatest(j.position, excluded.position);

-- name: state
-- $1 bucket $2 session id
select s.account_id, s.close_reason, s.seating from session s where s.bucket = $1::smallint and s.id = $2::uuid;
