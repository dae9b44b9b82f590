-- API keys: rows of the account's bucket, because revoking one must work in an emergency.

-- name: add
-- $1 bucket $2 id $3 account $4 name $5 secret's hash $6 scopes $7 now $8 expires at $9 event id
with k as (
    insert into api_key (bucket, id, account_id, name, secret_hash, scopes, created_at, expires_at)
    values ($1::smallint, $2::uuid, $3::uuid, $4::text, $5::bytea, $6::text[], $7::timestamptz, $8::timestamptz)
        on conflict (bucket, id) do nothing
    returning account_id
)
insert into event (bucket, id, account_id, type, at)
select $1::smallint, $9::uuid, k.account_id, 'key.created', $7::timestamptz from k;

-- name: read
-- $1 bucket $2 id
select id, account_id, secret_hash, scopes, expires_at, revoked_at, last_used_at
  from api_key where bucket = $1::smallint and id = $2::uuid;

-- name: used
-- $1 bucket $2 id $3 now $4 a minute ago. Written at most once a minute
update api_key set last_used_at = $3::timestamptz
 where bucket = $1::smallint and id = $2::uuid and (last_used_at is null or last_used_at <= $4::timestamptz);

-- name: list
-- $1 bucket $2 account. Never the secret
select id, name, scopes, created_at, expires_at, revoked_at, last_used_at
  from api_key where bucket = $1::smallint and account_id = $2::uuid order by id;

-- name: revoke
-- $1 bucket $2 account $3 id $4 now $5 event id
with k as (
    update api_key set revoked_at = $4::timestamptz
     where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid and revoked_at is null
    returning account_id
), e as (
    insert into event (bucket, id, account_id, type, at)
    select $1::smallint, $5::uuid, k.account_id, 'key.revoked', $4::timestamptz from k
)
select account_id from k;

-- name: add_link
-- $1 bucket $2 key $3 account $4 secret's hash $5 now $6 expires at $7 event id
with l as (
    insert into console_link (bucket, key_id, account_id, secret_hash, created_at, expires_at)
    values ($1::smallint, $2::uuid, $3::uuid, $4::bytea, $5::timestamptz, $6::timestamptz)
        on conflict (bucket, key_id) do nothing
    returning account_id
)
insert into event (bucket, id, account_id, type, at)
select $1::smallint, $7::uuid, l.account_id, 'key.linked', $5::timestamptz from l;

-- name: link_hash
-- $1 bucket $2 key
select secret_hash from console_link where bucket = $1::smallint and key_id = $2::uuid;

-- name: use_link
-- $1 bucket $2 key $3 now $4 used by $5 event id. Once, and in time; whoever did it, unseen, is told again
with held as materialized (
    select key_id, used_at from console_link
     where bucket = $1::smallint and key_id = $2::uuid
       and (used_by = $4::uuid or (used_at is null and expires_at > $3::timestamptz))
       for no key update
), l as (
    update console_link set used_at = $3::timestamptz, used_by = $4::uuid
      from held where console_link.bucket = $1::smallint and console_link.key_id = held.key_id and held.used_at is null
    returning console_link.account_id
), e as (
    insert into event (bucket, id, account_id, type, at)
    select $1::smallint, $5::uuid, l.account_id, 'key.link_used', $3::timestamptz from l
)
select key_id from held;

-- name: refuse_link
-- $1 bucket $2 key $3 now $4 event id. It was shown again after it was used: told once
with l as (
    update console_link set refused_at = $3::timestamptz
     where bucket = $1::smallint and key_id = $2::uuid and used_at is not null and refused_at is null
    returning account_id
)
insert into event (bucket, id, account_id, type, at)
select $1::smallint, $4::uuid, l.account_id, 'key.link_refused', $3::timestamptz from l;

-- name: forget_sessions
-- $1 bucket $2 over before $3 limit. Sessions at the console, with the links that led to them
with k as (
    delete from api_key using (select id from api_key
                                where bucket = $1::smallint and name = 'console' and scopes = '{audit}'
                                  and expires_at <= $2::timestamptz
                                order by expires_at limit $3) as old
     where api_key.bucket = $1::smallint and api_key.id = old.id
    returning api_key.id
), l as (
    delete from console_link using k where console_link.bucket = $1::smallint and console_link.key_id = k.id
), r as (
    delete from audit_reader using k where audit_reader.bucket = $1::smallint and audit_reader.key_id = k.id
)
select id from k;
