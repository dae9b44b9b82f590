-- An account's log, in the account's bucket: its head, its tiles, and what its leaves stand for while that is kept.

-- name: begin_tree
-- $1 bucket $2 account $3 origin $4 reference key. An account's log begins; a second one does not
insert into audit_tree (bucket, account_id, origin, reference_key) values ($1::smallint, $2::uuid, $3::text, $4::bytea)
    on conflict (bucket, account_id) do nothing;

-- name: lock_tree
-- $1 bucket $2 account. Whoever appends holds this row, so nobody appends beside them
select t.origin, t.reference_key, t.size from audit_tree t
 where t.bucket = $1::smallint and t.account_id = $2::uuid for no key update;

-- name: entered
-- $1 bucket | $2 event ids. Which of these are in a log already, by whoever was killed before marking them
select a.event_id from audit_entry a where a.bucket = $1::smallint and a.event_id = any ($2::uuid[]);

-- name: enter
-- $1 bucket $2 account $3 now | $4 indexes $5 event ids $6 their names $7 of their sessions $8 types $9 reasons $10 times told $11 salts $12 records
insert into audit_entry (bucket, account_id, n, event_id, entry_ref, session_ref, type, reason, at, salt, record, sealed_at)
select $1::smallint, $2::uuid, t.n, t.event_id, t.entry_ref, t.session_ref, t.type, t.reason, t.at, t.salt, t.record, $3::timestamptz
  from unnest($4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::bytea[], $12::bytea[])
       as t(n, event_id, entry_ref, session_ref, type, reason, at, salt, record);

-- name: tiles
-- $1 bucket $2 account | $3 levels $4 numbers
select a.level, a.n, a.hashes from unnest($3::smallint[], $4::bigint[]) as t(level, n)
  join audit_tile a on a.bucket = $1::smallint and a.account_id = $2::uuid and a.level = t.level and a.n = t.n;

-- name: keep_tiles
-- $1 bucket $2 account | $3 levels $4 numbers $5 hashes. One that is there only grows
insert into audit_tile as a (bucket, account_id, level, n, hashes)
select $1::smallint, $2::uuid, t.level, t.n, t.hashes
  from unnest($3::smallint[], $4::bigint[], $5::bytea[]) as t(level, n, hashes)
    on conflict (bucket, account_id, level, n) do update set hashes = excluded.hashes
 where octet_length(excluded.hashes) > octet_length(a.hashes);

-- name: grow
-- $1 bucket $2 account $3 now $4 size that it had $5 new size $6 checkpoint. No row = somebody else has appended
update audit_tree set size = $5::bigint, checkpoint = $6::text, signed_at = $3::timestamptz
 where bucket = $1::smallint and account_id = $2::uuid and size = $4::bigint
returning size;

-- name: note_keys
-- $1 bucket $2 account $3 now $4 size | $5 key numbers $6 verifier keys. Keys that sign for the first time
insert into audit_key (bucket, account_id, key_id, verifier, first_size, first_at)
select $1::smallint, $2::uuid, t.key_id, t.verifier, $4::bigint, $3::timestamptz
  from unnest($5::integer[], $6::text[]) as t(key_id, verifier)
    on conflict (bucket, account_id, key_id) do nothing;

-- name: erase_entries
-- $1 bucket | $2 event ids. Record and salt go, so that nobody can say what the leaf stands for
update audit_entry set salt = null, record = null, type = null, reason = null, at = null, session_ref = null
 where bucket = $1::smallint and event_id = any ($2::uuid[]) and record is not null;

-- name: erase_session
-- $1 bucket $2 account $3 reference of a session $4 limit. Record and salt go, so that nobody can say what the leaf stands for; that
-- a session was erased stays
with e as materialized (
    select a.n from audit_entry a
     where a.bucket = $1::smallint and a.account_id = $2::uuid and a.session_ref = $3::text and a.type <> 'session.erased'
     order by a.n limit $4
)
update audit_entry set salt = null, record = null, type = null, reason = null, at = null, session_ref = null
  from e where audit_entry.bucket = $1::smallint and audit_entry.account_id = $2::uuid and audit_entry.n = e.n
returning audit_entry.n;

-- name: old_entries
-- $1 bucket $2 account $3 sealed before $4 limit. The oldest, as far as they are old
with e as materialized (
    select a.n, a.sealed_at from audit_entry a where a.bucket = $1::smallint and a.account_id = $2::uuid order by a.n limit $4
)
select e.n from e where e.sealed_at <= $3::timestamptz order by e.n;

-- name: forget_entries
-- $1 bucket $2 account | $3 indexes. What they stood for and that they stood for something; their leaves stay
delete from audit_entry a where a.bucket = $1::smallint and a.account_id = $2::uuid and a.n = any ($3::bigint[])
returning a.n;
