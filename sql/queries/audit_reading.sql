-- What an auditor reads of an account's log, in the account's bucket.

-- name: tree
-- $1 bucket $2 account
select t.reference_key, t.size, t.checkpoint from audit_tree t where t.bucket = $1::smallint and t.account_id = $2::uuid;

-- name: tiles
-- $1 bucket $2 account | $3 levels $4 numbers
select a.level, a.n, a.hashes from unnest($3::smallint[], $4::bigint[]) as t(level, n)
  join audit_tile a on a.bucket = $1::smallint and a.account_id = $2::uuid and a.level = t.level and a.n = t.n;

-- name: entry_named
-- $1 bucket $2 account $3 its name
select a.n from audit_entry a where a.bucket = $1::smallint and a.account_id = $2::uuid and a.entry_ref = $3::text;

-- name: entries
-- $1 bucket $2 account $3 before this index $4 type or null $5 reason or null $6 since or null $7 until or null $8 limit. Newest first;
-- erased ones are there where nothing is asked for that they would have to say
select a.n, a.entry_ref, a.salt, a.record from audit_entry a
 where a.bucket = $1::smallint and a.account_id = $2::uuid and a.n < $3::bigint
   and ($4::text is null or a.type = $4::text) and ($5::text is null or a.reason = $5::text)
   and ($6::timestamptz is null or a.at >= $6::timestamptz) and ($7::timestamptz is null or a.at < $7::timestamptz)
 order by a.n desc limit $8;

-- name: entries_of_session
-- $1 bucket $2 account $3 before this index $4 type or null $5 reason or null $6 since or null $7 until or null $8 limit | $9 reference
select a.n, a.entry_ref, a.salt, a.record from audit_entry a
 where a.bucket = $1::smallint and a.account_id = $2::uuid and a.session_ref = $9::text and a.n < $3::bigint
   and ($4::text is null or a.type = $4::text) and ($5::text is null or a.reason = $5::text)
   and ($6::timestamptz is null or a.at >= $6::timestamptz) and ($7::timestamptz is null or a.at < $7::timestamptz)
 order by a.n desc limit $8;

-- name: signing_keys
-- $1 bucket $2 account. Which keys have signed, oldest first
select k.key_id, k.verifier, k.first_size, k.first_at from audit_key k
 where k.bucket = $1::smallint and k.account_id = $2::uuid order by k.key_id;

-- name: note_read
-- $1 bucket $2 account $3 API key $4 now $5 last noted before $6 event id. That the log was read is an event, once an hour for each key
with r as (
    insert into audit_reader as r (bucket, key_id, noted_at) values ($1::smallint, $3::uuid, $4::timestamptz)
        on conflict (bucket, key_id) do update set noted_at = excluded.noted_at
     where r.noted_at <= $5::timestamptz or r.noted_at > excluded.noted_at
    returning r.key_id
)
insert into event (bucket, id, account_id, type, at)
select $1::smallint, $6::uuid, $2::uuid, 'audit.read', $4::timestamptz from r;
