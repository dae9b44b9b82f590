-- Which keys there are, who has them, which one seals. Never a key: only what it answers to one fixed question.

-- name: published
-- every key that there ever was
select purpose, key_id, answer, use_from, in_use, in_use_since, destroyed_at is not null as destroyed
  from keyring_check order by purpose, key_id;

-- name: publish
-- $1 in use at once | $2 purposes $3 key ids $4 answers $5 first use, or null. The first to publish a number wins
insert into keyring_check (purpose, key_id, answer, use_from, in_use, told_of_use)
select t.purpose, t.key_id, t.answer, t.use_from, $1::boolean, $1::boolean
  from unnest($2::text[], $3::int[], $4::bytea[], $5::timestamptz[]) as t(purpose, key_id, answer, use_from)
    on conflict (purpose, key_id) do nothing;

-- name: report
-- $1 owner $2 until | $3 names of keys that I have $4 of those that I seal with. I am alive
insert into keyholder (owner, until, holds, seals) values ($1::uuid, $2::timestamptz, $3::text[], $4::text[])
    on conflict (owner) do update set until = excluded.until, holds = excluded.holds, seals = excluded.seals;

-- name: forget_holders
-- $1 owner $2 long gone. I am leaving, and so have those who gave no sign of life for so long
delete from keyholder where owner = $1::uuid or until < $2::timestamptz;

-- name: put_in_use
-- $1 now. Keys whose time has come, once everybody who is alive has them
update keyring_check k set in_use = true, in_use_since = $1::timestamptz
 where not k.in_use and k.destroyed_at is null and k.use_from <= $1::timestamptz
   and not exists (select 1 from keyholder h
                    where h.until > $1::timestamptz and not h.holds @> array[k.purpose || ' key ' || k.key_id]);

-- name: holders
-- $1 now $2 name of a key. Of those who are alive: how many there are, have it, and seal with it
select count(*) as alive, count(*) filter (where h.holds @> array[$2::text]) as have,
       count(*) filter (where h.seals @> array[$2::text]) as seal
  from keyholder h where h.until > $1::timestamptz;

-- name: destroy
-- $1 now $2 purpose $3 key id. Only one that a newer key has followed in use
update keyring_check k set destroyed_at = $1::timestamptz
 where k.purpose = $2::text and k.key_id = $3::int and k.destroyed_at is null
   and exists (select 1 from keyring_check n where n.purpose = k.purpose and n.key_id > k.key_id and n.in_use)
returning k.key_id;

-- name: give_up
-- $1 now $2 purpose $3 key id. The keyring has outlived it: this database is a restored one
update keyring_check set destroyed_at = $1::timestamptz
 where purpose = $2::text and key_id = $3::int and destroyed_at is null;

-- name: untold
-- keys of which the accounts have not been told that they seal, or that they are gone
select purpose, key_id, in_use_since, destroyed_at, told_of_use, told_of_end from keyring_check
 where (in_use and not told_of_use) or (destroyed_at is not null and not told_of_end)
 order by purpose, key_id;

-- name: tell
-- $1 bucket $2 account $3 event id $4 type $5 at. The same id again is the same event
insert into event (bucket, id, account_id, type, at)
values ($1::smallint, $3::uuid, $2::uuid, $4::text, $5::timestamptz)
    on conflict (bucket, id) do nothing;

-- name: told
-- $1 purpose $2 key id $3 of its use $4 of its end
update keyring_check set told_of_use = told_of_use or $3::boolean, told_of_end = told_of_end or $4::boolean
 where purpose = $1::text and key_id = $2::int;
