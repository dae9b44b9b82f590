-- What an operator wants to know of the server, and of who works on it. Everything here only reads.

-- name: server
-- which version, is it a standby, how many servers copy it, and does a commit wait for any of them
select current_setting('server_version') as version,
       pg_is_in_recovery() as is_standby,
       (select count(*) from pg_stat_replication) as copies,
       current_setting('synchronous_standby_names') <> '' and current_setting('synchronous_commit') <> 'local'
           as commit_waits_for_a_copy;

-- name: workers
-- $1 now | $2 buckets. How many processes hold at least one of these
select count(distinct l.owner) as workers from unnest($2::smallint[]) as b(bucket)
  join lease l on l.bucket = b.bucket and l.name = 'send'
 where l.until >= $1::timestamptz;
