-- What carriers still hold of texts, until it is deleted there.

-- name: due
-- $1 bucket $2 now $3 limit
select r.id, r.account_id, r.connection_id, r.sealed_provider_id, r.redaction_id, r.since, r.tries
  from redaction r
 where r.bucket = $1::smallint and r.due_at <= $2::timestamptz
 order by r.due_at
 limit $3;

-- name: forget
-- $1 bucket $2 ids. The carrier has them no more
delete from redaction where bucket = $1::smallint and id = any ($2::uuid[]);

-- name: put_off
-- $1 bucket | $2 ids $3 next tries
update redaction set due_at = t.due_at, tries = redaction.tries + 1
  from unnest($2::uuid[], $3::timestamptz[]) as t(id, due_at)
 where redaction.bucket = $1::smallint and redaction.id = t.id;
