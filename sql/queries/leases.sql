-- name: take
-- $1 bucket $2 owner $3 now $4 until. A row back = this bucket is mine, under a new epoch
insert into lease as l (bucket, name, owner, epoch, until)
values ($1::smallint, 'send', $2::uuid, 1, $4::timestamptz)
    on conflict (bucket, name) do update set owner = excluded.owner, epoch = l.epoch + 1, until = excluded.until
 where l.until < $3::timestamptz
returning epoch;

-- name: renew
-- $1 owner $2 until. All that are mine at once, even lapsed ones that nobody has taken: nothing began meanwhile
update lease set until = $2::timestamptz where owner = $1::uuid and name = 'send' and until > '-infinity'
returning bucket, epoch;

-- name: release
-- $1 owner. Let others take over at once
update lease set until = '-infinity' where owner = $1::uuid and name = 'send';

-- name: free
-- $1 now | $2 buckets. Which of these nobody holds
select b.bucket from unnest($2::smallint[]) as b(bucket)
  left join lease l on l.bucket = b.bucket and l.name = 'send'
 where l.bucket is null or l.until < $1::timestamptz;

-- name: give_back
-- $1 owner | $2 buckets. Some of mine, for others to take; I shall not renew them
update lease set until = '-infinity' where bucket = any ($2::smallint[]) and name = 'send' and owner = $1::uuid;

-- name: sign_in
-- $1 owner $2 until. I am alive
insert into process (owner, until) values ($1::uuid, $2::timestamptz)
    on conflict (owner) do update set until = excluded.until;

-- name: sign_out
-- $1 owner $2 long gone. I am leaving, and so have those who gave no sign of life for so long
delete from process where owner = $1::uuid or until < $2::timestamptz;

-- name: owners
-- $1 now. Who is alive, and how many buckets each one owns
select p.owner, count(l.bucket) as buckets
  from process p left join lease l on l.owner = p.owner and l.name = 'send' and l.until > $1::timestamptz
 where p.until > $1::timestamptz
 group by p.owner;
