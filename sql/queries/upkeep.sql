-- name: glance
-- $1 bucket $2 now $3 my epoch $4 sends begun before $5 fan-outs begun before $6 parked before. One look that says which upkeep has work,
-- because nearly always none has: what each looks for is served by the index that its own query uses
select exists (select 1 from session s where s.bucket = $1::smallint and s.status = 'open' and s.expires_at <= $2::timestamptz)
           or exists (select 1 from session s
                       where s.bucket = $1::smallint and s.status = 'open' and s.idle_at <= $2::timestamptz) as end_sessions,
       exists (select 1 from binding b
                where b.bucket = $1::smallint and b.held_until < 'infinity' and b.held_until <= $2::timestamptz) as free_numbers,
       exists (select 1 from outbox o
                where o.bucket = $1::smallint and o.phase in ('queued', 'parked') and o.deadline_at <= $2::timestamptz)
           as expire_texts,
       exists (select 1 from message m
                where m.bucket = $1::smallint and m.state = 'parked' and m.changed_at <= $6::timestamptz) as expire_parked,
       exists (select 1 from outbox o
                 join attempt a on a.bucket = $1::smallint and a.message_id = o.message_id and a.outcome is null
                where o.bucket = $1::smallint and o.phase = 'sending'
                  and (a.epoch < $3::bigint or a.begun_at < $4::timestamptz)) as declare_ambiguous,
       exists (select 1 from outbox o
                where o.bucket = $1::smallint and o.phase = 'scheduled' and o.due_at <= $2::timestamptz) as release_texts,
       exists (select 1 from session s
                where s.bucket = $1::smallint and s.status = 'open' and s.expiring_at <= $2::timestamptz
                  and s.expires_at > $2::timestamptz) as tell_expiring,
       exists (select 1 from fanout f where f.bucket = $1::smallint and f.arrived_at < $5::timestamptz) as finish_opt_outs,
       exists (select 1 from session s where s.bucket = $1::smallint and s.status = 'closed' and not s.journaled) as tell_journal;
