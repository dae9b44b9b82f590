-- Daily caps: what of an account has left today, by bucket. Only of accounts that have a cap.

-- name: hold
-- $1 bucket $2 today | $3 accounts. Their counts, which begin anew with the day, kept from changing
insert into daily_count as c (bucket, account_id, day)
select $1::smallint, t.account_id, $2::date from unnest($3::uuid[]) as t(account_id) order by t.account_id
    on conflict (bucket, account_id) do update
       set day = greatest(c.day, excluded.day), here = case when c.day < excluded.day then 0 else c.here end,
           elsewhere = case when c.day < excluded.day then 0 else c.elsewhere end
returning c.account_id, c.here, c.elsewhere;

-- name: count
-- $1 bucket | $2 accounts, held $3 how many more
update daily_count set here = daily_count.here + t.n
  from unnest($2::uuid[], $3::int[]) as t(account_id, n)
 where daily_count.bucket = $1::smallint and daily_count.account_id = t.account_id;

-- name: counted_here
-- $1 bucket $2 account $3 today
select here from daily_count where bucket = $1::smallint and account_id = $2::uuid and day >= $3::date;

-- name: tell
-- $1 bucket $2 account $3 the day $4 how many left the account's other buckets. Nothing is written where that is known, or a new day has begun
insert into daily_count as c (bucket, account_id, day, elsewhere) values ($1::smallint, $2::uuid, $3::date, $4::int)
    on conflict (bucket, account_id) do update
       set day = excluded.day, here = case when c.day < excluded.day then 0 else c.here end, elsewhere = excluded.elsewhere
 where c.day < excluded.day or (c.day = excluded.day and c.elsewhere <> excluded.elsewhere);
