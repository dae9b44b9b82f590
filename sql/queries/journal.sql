-- What the journal beside the keyring is told, and what a restored database is asked.

-- name: untold
-- $1 bucket $2 limit. Closed or erased since the journal was last told
select s.id, s.close_reason, s.closed_at from session s
 where s.bucket = $1::smallint and s.status = 'closed' and not s.journaled
 order by s.id limit $2;

-- name: told
-- $1 bucket | $2 session ids $3 the reasons that the journal was told. Not one that was erased meanwhile
update session set journaled = true
  from unnest($2::uuid[], $3::text[]) as t(id, reason)
 where session.bucket = $1::smallint and session.id = t.id and session.status = 'closed' and session.close_reason = t.reason;

-- name: position
-- $1 journal. Up to which entry this database knows it
select position from journal where id = $1::uuid;

-- name: advance
-- $1 journal $2 position
insert into journal as j (id, position) values ($1::uuid, $2::bigint)
    on conflict (id) do update set position = greatest(j.position, excluded.position);

-- name: state
-- $1 bucket $2 session id
select s.account_id, s.status, s.close_reason from session s where s.bucket = $1::smallint and s.id = $2::uuid;
