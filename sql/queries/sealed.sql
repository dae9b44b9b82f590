-- What is sealed under which key: to seal it anew, and to show that nothing is left.

-- name: sessions_under
-- $1 bucket $2 key id $3 limit. Open sessions with a phone under this key
select distinct p.session_id from participant p
 where p.bucket = $1::smallint and p.status = 'live' and p.epoch_id = $2::int
 order by p.session_id
 limit $3;

-- name: lock_sessions
-- $1 bucket $2 session ids. As everything does that changes who is in them
select s.id from session s where s.bucket = $1::smallint and s.id = any ($2::uuid[]) order by s.id for no key update;

-- name: phones_under
-- $1 bucket $2 key id $3 locked sessions
select p.id, s.account_id, p.sealed_phone, p.epoch_id from participant p
  join session s on s.bucket = $1::smallint and s.id = p.session_id
 where p.bucket = $1::smallint and p.session_id = any ($3::uuid[]) and p.status = 'live' and p.epoch_id = $2::int
 order by p.id;

-- name: reseal
-- $1 bucket $2 from key id | $3 participants $4 sealed phones $5 key ids
update participant set sealed_phone = t.phone, epoch_id = t.epoch_id
  from unnest($3::uuid[], $4::bytea[], $5::int[]) as t(id, phone, epoch_id)
 where participant.bucket = $1::smallint and participant.id = t.id and participant.status = 'live'
   and participant.epoch_id = $2::int;

-- name: phones_left
-- $1 bucket $2 key id
select count(*) from participant p where p.bucket = $1::smallint and p.epoch_id = $2::int;

-- name: texts_left
-- $1 bucket $2 key id. Waiting texts and those that a hook is asked about, answers kept for callers who ask again, and copies made for people
select (select count(*) from outbox o where o.bucket = $1::smallint and o.transit_id = $2::int)
     + (select count(*) from hook_call h where h.bucket = $1::smallint and h.transit_id = $2::int)
     + (select count(*) from idempotency i where i.bucket = $1::smallint and i.transit_id = $2::int)
     + (select count(*) from privacy_export x where x.bucket = $1::smallint and x.transit_id = $2::int);

-- name: copies_left
-- $1 bucket $2 key id
select count(*) from redaction r where r.bucket = $1::smallint and r.redaction_id = $2::int;

-- name: people_left
-- $1 bucket $2 key id. Answers and closed sessions' people are not worth a key: the first go within a day, the second nobody looks for
select (select count(*) from person p where p.bucket = $1::smallint and p.key_id = $2::int)
     + (select count(*) from suppression s where s.bucket = $1::smallint and s.key_id = $2::int)
     + (select count(*) from fanout f where f.bucket = $1::smallint and f.key_id = $2::int);

-- name: imprints_left
-- $1 bucket $2 key id. Requests go within a day
select count(*) from inbox_key k where k.bucket = $1::smallint and k.key_id = $2::int;
