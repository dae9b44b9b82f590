-- What is held of each data class in a bucket: how many rows, since when the oldest is there, and how many should have been
-- forgotten before $3. Names are those of the data classes. $2 null = every account's. Only reads, and only for reports: each
-- reads all rows of its class.

-- name: phone
-- $1 bucket $2 account $3 due before. Overdue with the session that should have been closed by then
select count(*) as held, min(s.created_at) as oldest,
       count(*) filter (where s.status = 'closed' or least(s.expires_at, s.idle_at) <= $3::timestamptz) as overdue
  from participant p
  join session s on s.bucket = $1::smallint and s.id = p.session_id
 where p.bucket = $1::smallint and p.status = 'live' and ($2::uuid is null or s.account_id = $2::uuid);

-- name: text
-- $1 bucket $2 account $3 due before. A row whose send is being looked into carries its next look in due_at
select count(*) as held, min(t.at) as oldest, count(*) filter (where t.due_at <= $3::timestamptz) as overdue
  from (select o.arrived_at as at, case o.phase when 'unresolved' then o.due_at else o.deadline_at end as due_at
          from outbox o where o.bucket = $1::smallint and ($2::uuid is null or o.account_id = $2::uuid)
        union all
        select h.made_at, h.made_at + interval '10 minutes'
          from hook_call h where h.bucket = $1::smallint and ($2::uuid is null or h.account_id = $2::uuid)) as t;

-- name: carrier_copy
-- $1 bucket $2 account $3 noted before. Overdue where the carrier does not delete it
select count(*) as held, min(r.since) as oldest, count(*) filter (where r.since <= $3::timestamptz) as overdue
  from redaction r where r.bucket = $1::smallint and ($2::uuid is null or r.account_id = $2::uuid);

-- name: party_index
-- $1 bucket $2 account $3 due before. An index goes with its binding, which the same two people may have taken again
select count(*) as held, min(s.created_at) as oldest,
       count(*) filter (where p.status <> 'live' and (b.number_id is null or b.held_until <= $3::timestamptz)) as overdue
  from participant p
  join session s on s.bucket = $1::smallint and s.id = p.session_id
  left join binding b on b.bucket = $1::smallint and b.number_id = p.number_id and b.party_index = p.party_index
 where p.bucket = $1::smallint and p.party_index is not null and ($2::uuid is null or s.account_id = $2::uuid);

-- name: person
-- $1 bucket $2 account $3 due before. Of one account: those who hold one of its numbers, for nothing else in a row says whose
-- they are. Whom nothing needs should be gone when the bucket was last gone through
select count(*) as held, nullif(min(p.changed_at), '-infinity') as oldest,
       count(*) filter (where (p.superseded or (not p.opted_out and p.changed_at <= $3::timestamptz))
           and not exists (select 1 from forgetting f where f.bucket = $1::smallint
                              and f.passed_at > $3::timestamptz + interval '1 day')
           and not exists (select 1 from binding b where b.bucket = $1::smallint and b.party_index = p.party_index)
           and not exists (select 1 from outbox o where o.bucket = $1::smallint and o.party_index = p.party_index)) as overdue
  from person p
 where p.bucket = $1::smallint
   and ($2::uuid is null
        or exists (select 1 from binding b join number n on n.id = b.number_id and n.account_id = $2::uuid
                    where b.bucket = $1::smallint and b.party_index = p.party_index));

-- name: suppression
-- $1 bucket $2 account $3 due before. And those that are on their way to the account's pools
select count(*) as held, min(o.at) as oldest, count(*) filter (where o.on_its_way and o.at <= $3::timestamptz) as overdue
  from (select s.changed_at as at, false as on_its_way from suppression s
         where s.bucket = $1::smallint and ($2::uuid is null or s.account_id = $2::uuid)
        union all
        select f.arrived_at, true from fanout f
         where f.bucket = $1::smallint and ($2::uuid is null or f.account_id = $2::uuid)) as o;

-- name: inbox_key
-- $1 bucket $2 account $3 due before | $4 connections whose signatures carry a time. Without a connection it should be gone when
-- the bucket was last gone through
select count(*) as held, min(k.at) as oldest,
       count(*) filter (where (k.connection_id = any ($4::uuid[]) and k.at <= $3::timestamptz)
           or (c.id is null and not exists (select 1 from forgetting f where f.bucket = $1::smallint
                                               and f.passed_at > $3::timestamptz + interval '90 days'))) as overdue
  from inbox_key k
  left join connection c on c.id = k.connection_id
 where k.bucket = $1::smallint and ($2::uuid is null or c.account_id = $2::uuid);

-- name: session
-- $1 bucket $2 account $3 closed before
select count(*) as held, min(s.created_at) as oldest,
       count(*) filter (where s.status = 'closed' and s.closed_at <= $3::timestamptz
           and not exists (select 1 from message m where m.bucket = $1::smallint and m.session_id = s.id)
           and not exists (select 1 from binding b where b.bucket = $1::smallint and b.session_id = s.id)
           and not exists (select 1 from hold h where h.bucket = $1::smallint and h.session_id = s.id
                              and (h.lifted_at is null or h.lifted_at > $3::timestamptz + interval '90 days'))) as overdue
  from session s where s.bucket = $1::smallint and ($2::uuid is null or s.account_id = $2::uuid);

-- name: message
-- $1 bucket $2 account $3 arrived before. What has not ended has a deadline of its own: see text
select count(*) as held, min(m.received_at) as oldest,
       count(*) filter (where m.received_at <= $3::timestamptz and m.state not in ('queued', 'sending', 'parked')
           and not exists (select 1 from hold h where h.bucket = $1::smallint and h.session_id = m.session_id
                              and (h.lifted_at is null or h.lifted_at > $3::timestamptz + interval '90 days'))) as overdue
  from message m where m.bucket = $1::smallint and ($2::uuid is null or m.account_id = $2::uuid);

-- name: attempt
-- $1 bucket $2 account $3 its message arrived before. One without a message should have gone with it
select count(*) as held, min(a.begun_at) as oldest,
       count(*) filter (where m.id is null
           or (m.received_at <= $3::timestamptz and m.state not in ('queued', 'sending', 'parked')
               and not exists (select 1 from hold h where h.bucket = $1::smallint and h.session_id = m.session_id
                                  and (h.lifted_at is null or h.lifted_at > $3::timestamptz + interval '90 days')))) as overdue
  from attempt a
  left join message m on m.bucket = $1::smallint and m.id = a.message_id
 where a.bucket = $1::smallint and ($2::uuid is null or m.account_id = $2::uuid);

-- name: event
-- $1 bucket $2 account $3 happened before
select count(*) as held, min(e.at) as oldest,
       count(*) filter (where e.at <= $3::timestamptz
           and not exists (select 1 from hold h where h.bucket = $1::smallint and h.session_id = e.session_id
                              and (h.lifted_at is null or h.lifted_at > $3::timestamptz + interval '30 days'))) as overdue
  from event e where e.bucket = $1::smallint and ($2::uuid is null or e.account_id = $2::uuid);

-- name: audit_entry
-- $1 bucket $2 account $3 due before. What was erased holds nothing of anybody any more
select count(*) as held, min(a.sealed_at) as oldest, count(*) filter (where a.sealed_at <= $3::timestamptz) as overdue
  from audit_entry a where a.bucket = $1::smallint and a.record is not null and ($2::uuid is null or a.account_id = $2::uuid);

-- name: audit_tree
-- $1 bucket $2 account $3 due before. Kept for good; counted by leaves. A head is never overdue
select coalesce(sum(t.size), 0)::bigint as held, null::timestamptz as oldest,
       count(*) filter (where t.size < 0 and t.signed_at <= $3::timestamptz) as overdue
  from audit_tree t where t.bucket = $1::smallint and ($2::uuid is null or t.account_id = $2::uuid);

-- name: audit_export
-- $1 bucket $2 account $3 asked before
select count(*) as held, min(x.asked_at) as oldest, count(*) filter (where x.asked_at <= $3::timestamptz) as overdue
  from audit_export x where x.bucket = $1::smallint and ($2::uuid is null or x.account_id = $2::uuid);

-- name: bulk_close
-- $1 bucket $2 account $3 asked before. Overdue when it is done: what is not yet is still to be carried out
select count(*) as held, min(o.at) as oldest, count(*) filter (where o.is_done and o.at <= $3::timestamptz) as overdue
  from (select b.asked_at as at, b.is_spread as is_done from bulk_close b
         where b.bucket = $1::smallint and ($2::uuid is null or b.account_id = $2::uuid)
        union all
        select p.asked_at, p.done_at is not null from bulk_close_part p
         where p.bucket = $1::smallint and ($2::uuid is null or p.account_id = $2::uuid)) as o;

-- name: hold
-- $1 bucket $2 account $3 any time. One without a session holds nothing
select count(*) as held, min(h.placed_at) as oldest,
       count(*) filter (where s.id is null and $3::timestamptz is not null) as overdue
  from hold h
  left join session s on s.bucket = $1::smallint and s.id = h.session_id
 where h.bucket = $1::smallint and ($2::uuid is null or h.account_id = $2::uuid);

-- name: privacy_request
-- $1 bucket $2 account $3 asked before
select count(*) as held, min(r.asked_at) as oldest, count(*) filter (where r.asked_at <= $3::timestamptz) as overdue
  from privacy_request r where r.bucket = $1::smallint and ($2::uuid is null or r.account_id = $2::uuid);

-- name: export
-- $1 bucket $2 account $3 made before
select count(*) as held, min(x.made_at) as oldest, count(*) filter (where x.made_at <= $3::timestamptz) as overdue
  from privacy_export x where x.bucket = $1::smallint and ($2::uuid is null or x.account_id = $2::uuid);

-- name: automatic_answer
-- $1 bucket $2 account $3 given before
select count(*) as held, min(a.last_at) as oldest, count(*) filter (where a.last_at <= $3::timestamptz) as overdue
  from answer a
 where a.bucket = $1::smallint
   and ($2::uuid is null or exists (select 1 from number n where n.id = a.number_id and n.account_id = $2::uuid));

-- name: idempotency_answer
-- $1 bucket $2 account $3 begun before
select count(*) as held, min(i.created_at) as oldest, count(*) filter (where i.created_at <= $3::timestamptz) as overdue
  from idempotency i where i.bucket = $1::smallint and ($2::uuid is null or i.account_id = $2::uuid);

-- name: verification
-- $1 bucket $2 account $3 begun before. One that is pending has an end of its own, minutes after it began
select count(*) as held, min(v.created_at) as oldest, count(*) filter (where v.created_at <= $3::timestamptz) as overdue
  from verification v where v.bucket = $1::smallint and ($2::uuid is null or v.account_id = $2::uuid);

-- name: turn
-- $1 bucket $2 account $3 last taken before. Of one account: none, for a row does not say whose it is
select count(*) as held, min(t.at) as oldest, count(*) filter (where t.at <= $3::timestamptz) as overdue
  from turn t where t.bucket = $1::smallint and $2::uuid is null;

-- name: credentials
-- $1 bucket $2 account $3 any time. API keys; connections are no rows of a bucket
select count(*) as held, min(k.created_at) as oldest, count(*) filter (where $3::timestamptz is null) as overdue
  from api_key k where k.bucket = $1::smallint and ($2::uuid is null or k.account_id = $2::uuid);
