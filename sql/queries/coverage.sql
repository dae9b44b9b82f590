-- The rows as they stand, the events that tell how they came to stand so, and the entries of those: read to be compared.
-- Nothing is changed, and nothing here is read while texts are relayed.

-- name: messages
-- $1 bucket $2 account $3 behind this id $4 limit. With how many attempts they count, and how many there are
select m.id, m.state as word, m.received_at as began, m.changed_at as ended, m.attempts as counted,
       (select count(*) from attempt a where a.bucket = $1::smallint and a.message_id = m.id) as attempts
  from message m
 where m.bucket = $1::smallint and m.account_id = $2::uuid and m.id > $3::uuid
 order by m.id limit $4;

-- name: sessions
-- $1 bucket $2 account $3 behind this id $4 limit
select s.id, coalesce(s.close_reason, '') as word, s.created_at as began, s.closed_at as ended from session s
 where s.bucket = $1::smallint and s.account_id = $2::uuid and s.id > $3::uuid
 order by s.id limit $4;

-- name: verifications
-- $1 bucket $2 account $3 behind this id $4 limit
select v.id, v.status as word, v.created_at as began, null::timestamptz as ended from verification v
 where v.bucket = $1::smallint and v.account_id = $2::uuid and v.id > $3::uuid
 order by v.id limit $4;

-- name: numbers
-- $1 bucket $2 account $3 behind this id $4 limit
select n.number_id as id, n.state as word, n.changed_at as began, null::timestamptz as ended from number_state n
 where n.bucket = $1::smallint and n.account_id = $2::uuid and n.number_id > $3::uuid
 order by n.number_id limit $4;

-- name: holds
-- $1 bucket $2 account $3 behind this id $4 limit
select h.session_id as id, h.reason as word, h.placed_at as began, h.lifted_at as ended from hold h
 where h.bucket = $1::smallint and h.account_id = $2::uuid and h.session_id > $3::uuid
 order by h.session_id limit $4;

-- name: keys
-- $1 bucket $2 account $3 behind this id $4 limit. What happened to keys: a row each
select k.id, t.word, t.began, null::timestamptz as ended
  from (select k.id, k.created_at, k.revoked_at from api_key k
         where k.bucket = $1::smallint and k.account_id = $2::uuid and k.id > $3::uuid
         order by k.id limit $4) as k
 cross join lateral (values ('key.created', k.created_at), ('key.revoked', k.revoked_at)) as t(word, began)
 where t.began is not null
 order by k.id;

-- name: links
-- $1 bucket $2 account $3 behind this id $4 limit. What happened to links to the console: a row each
select l.key_id as id, t.word, t.began, null::timestamptz as ended
  from (select l.key_id, l.created_at, l.used_at, l.refused_at from console_link l
         where l.bucket = $1::smallint and l.account_id = $2::uuid and l.key_id > $3::uuid
         order by l.key_id limit $4) as l
 cross join lateral (values ('key.linked', l.created_at), ('key.link_used', l.used_at), ('key.link_refused', l.refused_at))
    as t(word, began)
 where t.began is not null
 order by l.key_id;

-- name: told_then
-- $1 bucket $2 account | $3 numbers $4 lowest ids $5 lower than these $6 a type $7 another $8 subjects or null $9 times. Which of these
-- events are there: looked for among the ids of that time
select t.n
  from unnest($3::int[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::uuid[], $9::timestamptz[])
    as t(n, lowest, above, type, other, subject, at)
 where (select e.id from event e
         where e.bucket = $1::smallint and e.id >= t.lowest and e.id < t.above and e.account_id = $2::uuid
           and e.type in (t.type, t.other) and e.at = t.at
           and (t.subject is null or t.subject in (e.message_id, e.session_id, e.number_id, e.verification_id))
         limit 1) is not null;

-- name: told_ever
-- $1 bucket $2 account $3 not before this id | $4 types $5 subjects. The events of these types that name these rows, or none, whatever
-- the time that their ids were made at. Reads much: for those that are not where they are looked for first
select e.type, coalesce(e.message_id, e.number_id, e.verification_id, e.session_id) as subject, e.at from event e
 where e.bucket = $1::smallint and e.id >= $3::uuid and e.account_id = $2::uuid and e.type = any ($4::text[])
   and (coalesce(e.message_id, e.number_id, e.verification_id, e.session_id) is null
        or e.message_id = any ($5::uuid[]) or e.session_id = any ($5::uuid[]) or e.number_id = any ($5::uuid[])
        or e.verification_id = any ($5::uuid[]));

-- name: events
-- $1 bucket $2 account $3 behind this id $4 limit. And whether they are marked as sealed
select e.id, e.type, e.at,
       (select s.event_id from sealed_event s where s.bucket = $1::smallint and s.event_id = e.id) is not null as is_marked
  from event e
 where e.bucket = $1::smallint and e.account_id = $2::uuid and e.id > $3::uuid
 order by e.id limit $4;

-- name: entries
-- $1 account's bucket $2 account | $3 event ids. What their entries say; empty when it is erased
select a.event_id, coalesce(a.type, '') as type from audit_entry a
 where a.bucket = $1::smallint and a.account_id = $2::uuid and a.event_id = any ($3::uuid[]);
