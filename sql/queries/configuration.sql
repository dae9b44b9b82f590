-- Accounts, connections, pools and numbers: read whole into a cache, written rarely.

-- name: version
-- grows with every change of what this file reads
select version from configuration where id = 1;

-- name: bump
-- in the same transaction as the change itself
update configuration set version = version + 1 where id = 1;

-- name: accounts
-- all of them
select id, bucket, name, programme, help_contact, language, notices, on_ambiguous, allowed_countries, default_expires_in,
       default_idle_timeout, default_cool_down, default_expiring_notice, quiet_from, quiet_to, created_at, daily_cap
  from account order by created_at, id;

-- name: connections
-- all of them, credentials sealed
select id, account_id, provider, sealed_credentials, key_id, created_at from connection order by created_at, id;

-- name: pools
-- all of them
select id, account_id, bucket, name, status, created_at, require_verified, rules from pool order by created_at, id;

-- name: numbers
-- all of them
select id, account_id, pool_id, connection_id, e164, country, area_code, kind, rate, created_at
  from number order by created_at, id;

-- name: endpoints
-- all of them, their settings sealed
select id, account_id, events, status, disabled_reason, changed_at, sealed_settings, key_id, created_at
  from endpoint order by created_at, id;

-- name: add_account
-- $1 id $2 bucket $3 name $4 now
insert into account (id, bucket, name, created_at) values ($1, $2, $3, $4) on conflict (id) do nothing;

-- name: lock_account
-- $1 id. The row as it is now, so that two changes at once do not undo each other
select id, bucket, name, programme, help_contact, language, notices, on_ambiguous, allowed_countries, default_expires_in,
       default_idle_timeout, default_cool_down, default_expiring_notice, quiet_from, quiet_to, created_at, daily_cap
  from account where id = $1 for update;

-- name: change_account
-- $1 id $2 programme $3 help contact $4 language $5 notices $6 on ambiguous $7 allowed countries $8 expires in
-- $9 idle timeout $10 cool-down $11 expiring notice $12 quiet from $13 quiet to
update account set programme = $2, help_contact = $3, language = $4, notices = $5, on_ambiguous = $6,
                   allowed_countries = $7, default_expires_in = $8, default_idle_timeout = $9, default_cool_down = $10,
                   default_expiring_notice = $11, quiet_from = $12, quiet_to = $13, daily_cap = $14
 where id = $1;

-- name: add_connection
-- $1 id $2 account $3 provider $4 sealed credentials $5 key id $6 now
insert into connection (id, account_id, provider, sealed_credentials, key_id, created_at)
values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing;

-- name: remove_connection
-- $1 id $2 account. Only one that no number uses
delete from connection c where c.id = $1 and c.account_id = $2
   and not exists (select 1 from number n where n.connection_id = c.id) returning c.id;

-- name: add_pool
-- $1 id $2 account $3 bucket $4 name $5 now $6 require verified. It begins as preparing: it does not know the account's opt-outs yet
insert into pool (id, account_id, bucket, name, created_at, require_verified) values ($1, $2, $3, $4, $5, $6)
    on conflict (id) do nothing;

-- name: pool_ready
-- $1 bucket $2 pool $3 now $4 event id. After the account's opt-outs were copied
with p as (
    update pool set status = 'ready' where id = $2::uuid and status = 'preparing' returning id, account_id
)
insert into event (bucket, id, account_id, type, at)
select $1::smallint, $4::uuid, p.account_id, 'pool.ready', $3::timestamptz from p;

-- name: change_pool
-- $1 id $2 account $3 name $4 require verified $5 rules. Null = leave it
update pool set name = coalesce($3, name), require_verified = coalesce($4, require_verified), rules = coalesce($5::jsonb, rules)
 where id = $1 and account_id = $2;

-- name: remove_pool
-- $1 id $2 account. Only an empty one
delete from pool p where p.id = $1 and p.account_id = $2
   and not exists (select 1 from number n where n.pool_id = p.id) returning p.id;

-- name: remember_pool
-- $1 account $2 bucket of a pool that is gone. What happened in it is still to be forgotten
insert into former_pool (account_id, bucket) values ($1, $2) on conflict do nothing;

-- name: former_pools
-- all of them
select account_id, bucket from former_pool;

-- name: pools_of
-- $1 account. Straight from the table: a fan-out must see a pool that no cache knows yet
select id, bucket, status from pool where account_id = $1 order by bucket, id;

-- name: add_number
-- $1 id $2 account $3 pool $4 connection $5 number $6 country $7 area code $8 kind $9 rate $10 now
insert into number (id, account_id, pool_id, connection_id, e164, country, area_code, kind, rate, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do nothing;

-- name: former_numbers
-- all of them
select account_id, e164, bucket from former_number;

-- name: remember_former
-- $1 account $2 number $3 bucket that it leaves
insert into former_number (account_id, e164, bucket) values ($1, $2, $3) on conflict do nothing;

-- name: remember_unknown
-- $1 account $2 number $3 account's bucket. Texts to a number that the account did not have yet were recorded there: their
-- keys are kept for longer than their messages
insert into former_number (account_id, e164, bucket)
select $1::uuid, $2::text, $3::smallint
 where exists (select 1 from connection c
                 join inbox_key k on k.bucket = $3::smallint and k.connection_id = c.id
                where c.account_id = $1::uuid)
    on conflict do nothing;

-- name: change_rate
-- $1 id $2 account $3 rate
update number set rate = $3 where id = $1 and account_id = $2;

-- name: remove_number
-- $1 id $2 account
delete from number where id = $1 and account_id = $2;
