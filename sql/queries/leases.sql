-- name: take
-- $1 bucket $2 owner $3 now $4 until. A row back = this bucket is mine, under a new epoch
insert into lease as l (bucket, name, owner, epoch, until)
values ($1::smallint, 'send', $2::uuid, 1, $4::timestamptz)
    on conflict (bucket, name) do update set owner = excluded.owner, epoch = l.epoch + 1, until = excluded.until
 where l.until < $3::timestamptz
returning epoch;

-- name: renew
-- $1 owner $2 until. All that are mine at once, even lapsed ones that nobody has taken: nothing began meanwhile
update lease set until = $2::timestamptz where owner = $1::uuid and name = 'send' returning bucket, epoch;

-- name: release
-- $1 owner $2 now. Let others take over at once
update lease set until = $2::timestamptz where owner = $1::uuid and name = 'send';

-- name: free
-- $1 now | $2 buckets. Which of these nobody holds
select b.bucket from unnest($2::smallint[]) as b(bucket)
  left join lease l on l.bucket = b.bucket and l.name = 'send'
 where l.bucket is null or l.until < $1::timestamptz;
