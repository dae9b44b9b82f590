-- Texts that nobody was there to get, as long as a hook is to be asked about them.

-- name: claim
-- $1 bucket $2 now $3 a minute ago $4 a day ago $5 number $6 party index $7 the most in a day. One row for the minute, one for each
-- of a day's places. A row back = somebody may be asked
with lately as (
    insert into answer as a (bucket, number_id, party_index, kind, last_at)
    values ($1::smallint, $5::uuid, $6::bytea, 'hook', $2::timestamptz)
        on conflict (bucket, number_id, party_index, kind) do update set last_at = excluded.last_at
     where a.last_at <= $3::timestamptz
    returning a.kind
), place as (
    select 'hook_' || n.n as kind from generate_series(1, $7::int) as n(n)
     where exists (select 1 from lately)
       and not exists (select 1 from answer u
                        where u.bucket = $1::smallint and u.number_id = $5::uuid and u.party_index = $6::bytea
                          and u.kind = 'hook_' || n.n and u.last_at > $4::timestamptz)
     order by n.n limit 1
)
insert into answer as a (bucket, number_id, party_index, kind, last_at)
select $1::smallint, $5::uuid, $6::bytea, place.kind, $2::timestamptz from place
    on conflict (bucket, number_id, party_index, kind) do update set last_at = excluded.last_at
 where a.last_at <= $4::timestamptz
returning a.kind;

-- name: add
-- $1 bucket $2 id $3 account $4 number $5 sealed phone $6 sealed text $7 transit id $8 now
insert into hook_call (bucket, id, account_id, number_id, sealed_phone, sealed_text, transit_id, made_at)
values ($1::smallint, $2::uuid, $3::uuid, $4::uuid, $5::bytea, $6::bytea, $7::int, $8::timestamptz);

-- name: due
-- $1 bucket $2 limit $3 numbers to leave out $4 those that are being asked about. Oldest first
select h.id, h.account_id, h.number_id, h.sealed_phone, h.sealed_text, h.transit_id, h.made_at from hook_call h
 where h.bucket = $1::smallint and h.number_id <> all ($3::uuid[]) and h.id <> all ($4::uuid[])
 order by h.made_at, h.id
 limit $2;

-- name: take
-- $1 bucket $2 id. In the transaction that carries the answer out
delete from hook_call where bucket = $1::smallint and id = $2::uuid returning id;

-- name: forget
-- $1 bucket $2 made before $3 limit. Nobody has asked about them
delete from hook_call using (select h.id from hook_call h where h.bucket = $1::smallint and h.made_at <= $2::timestamptz limit $3) as old
 where hook_call.bucket = $1::smallint and hook_call.id = old.id
returning hook_call.id;
