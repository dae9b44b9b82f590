-- The same person under another key. Only while the keyring holds several index keys.

-- name: agree
-- $1 bucket $2 now | $3 names. Whoever deals with these people, texts or requests takes turns until the transaction ends: under
-- two keys one thing has two hashes, which no unique index would take for the same
insert into turn (bucket, name, at)
select $1::smallint, t.name, $2::timestamptz from unnest($3::bytea[]) as t(name)
 order by t.name
    on conflict (bucket, name) do update set at = excluded.at;

-- name: forget_turns
-- $1 bucket $2 a day ago $3 limit
delete from turn using (select name from turn where bucket = $1::smallint and at <= $2::timestamptz limit $3) as old
 where turn.bucket = $1::smallint and turn.name = old.name and turn.at <= $2::timestamptz
returning turn.name;

-- name: known_before
-- $1 bucket | $2 party indexes under other keys. Which of them stand for people here
select p.party_index from person p
 where p.bucket = $1::smallint and p.party_index = any ($2::bytea[]) and not p.superseded;

-- name: lock_seats
-- $1 bucket | $2 party indexes under other keys. Before their people, and after their sessions, which whoever knows them wants next:
-- the order of the door. Else each waits for the other
with s as materialized (
    select id from session
     where bucket = $1::smallint
       and id = any (array(select session_id from participant where bucket = $1::smallint and party_index = any ($2::bytea[])))
     order by id for no key update
)
select id from participant
 where bucket = $1::smallint and party_index = any ($2::bytea[]) and (select count(*) from s) >= 0
 order by id for no key update;

-- name: supersede
-- $1 bucket | $2 old indexes $3 new ones $4 their key ids. The old row stays for texts on their way, which are checked against it
with o as (
    update person set superseded = true
      from unnest($2::bytea[], $3::bytea[], $4::int[]) as t(old, new, key_id)
     where person.bucket = $1::smallint and person.party_index = t.old
    returning t.old, t.new, t.key_id, person.opted_out, person.changed_at
), b as (
    update binding set party_index = t.new from unnest($2::bytea[], $3::bytea[]) as t(old, new)
     where binding.bucket = $1::smallint and binding.party_index = t.old
), pa as (
    update participant set party_index = t.new from unnest($2::bytea[], $3::bytea[]) as t(old, new)
     where participant.bucket = $1::smallint and participant.party_index = t.old
), a as (
    update answer set party_index = t.new from unnest($2::bytea[], $3::bytea[]) as t(old, new)
     where answer.bucket = $1::smallint and answer.party_index = t.old
)
insert into person as p (bucket, party_index, key_id, opted_out, changed_at)
select $1::smallint, o.new, o.key_id, o.opted_out, o.changed_at from o
 where not exists (select 1 from o as later where later.new = o.new and (later.changed_at, later.old) > (o.changed_at, o.old))
    on conflict (bucket, party_index) do update
       set superseded = false,
           opted_out = case when p.changed_at < excluded.changed_at then excluded.opted_out else p.opted_out end,
           changed_at = greatest(p.changed_at, excluded.changed_at);

-- name: supersede_pairs
-- $1 bucket $2 party indexes $3 pair indexes under other keys $4 the pair's index. What two people left cooling stays theirs
update binding set pair_index = $4::bytea
 where binding.bucket = $1::smallint and binding.party_index = any ($2::bytea[]) and binding.pair_index = any ($3::bytea[]);

-- name: supersede_suppression
-- $1 account's bucket $2 account $3 old indexes $4 the new one $5 its key id
with o as (
    delete from suppression s
     where s.bucket = $1::smallint and s.account_id = $2::uuid and s.party_index = any ($3::bytea[])
    returning s.id, s.opted_out, s.changed_at, s.source, s.reason
)
insert into suppression as s (bucket, account_id, id, party_index, key_id, opted_out, changed_at, source, reason)
select $1::smallint, $2::uuid, o.id, $4::bytea, $5::int, o.opted_out, o.changed_at, o.source, o.reason from o
 order by o.changed_at desc limit 1
    on conflict (bucket, account_id, party_index) do update
       set id = excluded.id, opted_out = excluded.opted_out, changed_at = excluded.changed_at, source = excluded.source,
           reason = excluded.reason
 where s.changed_at < excluded.changed_at;

-- name: change_superseded
-- $1 bucket $2 changed at $3 opted out $4 old indexes. A wish counts for what was on its way under an old key as well
update person set opted_out = $3::boolean, changed_at = $2::timestamptz
 where person.bucket = $1::smallint and person.party_index = any ($4::bytea[]) and person.superseded
   and person.changed_at < $2::timestamptz;
