-- Whom a leak of a table concerns: how many rows of an account lay there in a window, in how many sessions, about how many
-- people. A person is told from another by keyed hash; when that has gone, everybody in each session counts as another. `ids`: the
-- newest sessions, a page of them. Only reads, and only for reports: each reads all rows of the account in its table.

-- name: of_sessions
-- $1 bucket $2 account $3 until $4 sessions before, or null $5 how many of them $6 which of these: rows that name a session, and so
-- both its people. A hold that is placed again says only when that was: dated by its session
with r as (
    select s.id as session_id from session s
     where $6::text = 'sessions' and s.bucket = $1::smallint and s.account_id = $2::uuid and s.created_at <= $3::timestamptz
    union all
    select m.session_id from message m
     where $6::text = 'messages' and m.bucket = $1::smallint and m.account_id = $2::uuid and m.received_at <= $3::timestamptz
    union all
    select e.session_id from event e
     where $6::text = 'events' and e.bucket = $1::smallint and e.account_id = $2::uuid and e.at <= $3::timestamptz
    union all
    select h.session_id from hold h join session s on s.bucket = $1::smallint and s.id = h.session_id
     where $6::text = 'holds' and h.bucket = $1::smallint and h.account_id = $2::uuid and s.created_at <= $3::timestamptz
    union all
    select x.session_id from erasure x
     where $6::text = 'erasures' and x.bucket = $1::smallint and x.account_id = $2::uuid and x.asked_at <= $3::timestamptz
)
select (select count(*) from r) as records, (select count(distinct r.session_id) from r) as sessions,
       (select count(distinct coalesce(p.party_index, uuid_send(p.id))) from participant p
         where p.bucket = $1::smallint and p.session_id in (select r.session_id from r)) as people,
       array(select distinct r.session_id from r where r.session_id is not null and ($4::uuid is null or r.session_id < $4::uuid)
              order by r.session_id desc limit $5) as ids;

-- name: participants
-- $1 bucket $2 account $3 until $4 sessions before, or null $5 how many of them
with r as (
    select s.id as session_id, coalesce(p.party_index, uuid_send(p.id)) as who
      from session s
      join participant p on p.bucket = $1::smallint and p.session_id = s.id
     where s.bucket = $1::smallint and s.account_id = $2::uuid and s.created_at <= $3::timestamptz
)
select (select count(*) from r) as records, (select count(distinct r.session_id) from r) as sessions,
       (select count(distinct r.who) from r) as people,
       array(select distinct r.session_id from r where $4::uuid is null or r.session_id < $4::uuid
              order by r.session_id desc limit $5) as ids;

-- name: phones
-- $1 bucket $2 account $3 until $4 sessions before, or null $5 how many of them $6 from, or null. From opening to closing
with r as (
    select s.id as session_id, coalesce(p.party_index, uuid_send(p.id)) as who
      from session s
      join participant p on p.bucket = $1::smallint and p.session_id = s.id
     where s.bucket = $1::smallint and s.account_id = $2::uuid and s.created_at <= $3::timestamptz
       and ($6::timestamptz is null or coalesce(s.closed_at, 'infinity') >= $6::timestamptz)
)
select (select count(*) from r) as records, (select count(distinct r.session_id) from r) as sessions,
       (select count(distinct r.who) from r) as people,
       array(select distinct r.session_id from r where $4::uuid is null or r.session_id < $4::uuid
              order by r.session_id desc limit $5) as ids;

-- name: indexes
-- $1 bucket $2 account $3 until $4 sessions before, or null $5 how many of them $6 from, or null. From opening to the end of the
-- cool-down, for which upkeep may have come an hour late; the same two may have taken their numbers again, and keep them longer
with r as (
    select s.id as session_id, coalesce(p.party_index, uuid_send(p.id)) as who
      from session s
      join participant p on p.bucket = $1::smallint and p.session_id = s.id
     where s.bucket = $1::smallint and s.account_id = $2::uuid and s.created_at <= $3::timestamptz
       and ($6::timestamptz is null or p.party_index is not null
            or coalesce(s.closed_at + s.cool_down * interval '1 second' + interval '1 hour', 'infinity') >= $6::timestamptz)
)
select (select count(*) from r) as records, (select count(distinct r.session_id) from r) as sessions,
       (select count(distinct r.who) from r) as people,
       array(select distinct r.session_id from r where $4::uuid is null or r.session_id < $4::uuid
              order by r.session_id desc limit $5) as ids;

-- name: people
-- $1 bucket $2 account $3 until $4 sessions before, or null $5 how many of them $6 from, or null. A row for whoever has a binding
with r as (
    select s.id as session_id, coalesce(p.party_index, uuid_send(p.id)) as who
      from session s
      join participant p on p.bucket = $1::smallint and p.session_id = s.id
     where s.bucket = $1::smallint and s.account_id = $2::uuid and s.created_at <= $3::timestamptz
       and ($6::timestamptz is null or p.party_index is not null
            or coalesce(s.closed_at + s.cool_down * interval '1 second' + interval '1 hour', 'infinity') >= $6::timestamptz)
)
select (select count(distinct r.who) from r) as records, (select count(distinct r.session_id) from r) as sessions,
       (select count(distinct r.who) from r) as people,
       array(select distinct r.session_id from r where $4::uuid is null or r.session_id < $4::uuid
              order by r.session_id desc limit $5) as ids;

-- name: texts
-- $1 bucket $2 account $3 until $4 sessions before, or null $5 how many of them $6 from, or null. Its message says when a text came
-- and when it left; one that was refused as it came never lay there. Outside of sessions the message does not say whom it was for
with r as (
    select m.session_id, coalesce(o.party_index, case when m.session_id is null then uuid_send(m.id) end) as who
      from message m
      left join outbox o on o.bucket = $1::smallint and o.message_id = m.id
     where m.bucket = $1::smallint and m.account_id = $2::uuid and m.received_at <= $3::timestamptz
       and (o.message_id is not null
            or ((m.accepted_at is not null or m.changed_at > m.received_at)
                and ($6::timestamptz is null or coalesce(m.accepted_at, m.changed_at) >= $6::timestamptz)))
)
select (select count(*) from r) as records, (select count(distinct r.session_id) from r) as sessions,
       (select count(distinct w.who)
          from (select coalesce(p.party_index, uuid_send(p.id)) as who from participant p
                 where p.bucket = $1::smallint and p.session_id in (select r.session_id from r)
                union all
                select r.who from r) as w) as people,
       array(select distinct r.session_id from r where r.session_id is not null and ($4::uuid is null or r.session_id < $4::uuid)
              order by r.session_id desc limit $5) as ids;

-- name: attempts
-- $1 bucket $2 account $3 until $4 sessions before, or null $5 how many of them
with r as (
    select m.session_id
      from message m
      join attempt a on a.bucket = $1::smallint and a.message_id = m.id
     where m.bucket = $1::smallint and m.account_id = $2::uuid and a.begun_at <= $3::timestamptz
)
select (select count(*) from r) as records, (select count(distinct r.session_id) from r) as sessions,
       null::bigint as people,
       array(select distinct r.session_id from r where r.session_id is not null and ($4::uuid is null or r.session_id < $4::uuid)
              order by r.session_id desc limit $5) as ids;

-- name: verifications
-- $1 bucket $2 account $3 until
select count(*) as records, count(distinct v.party_index) as people from verification v
 where v.bucket = $1::smallint and v.account_id = $2::uuid and v.created_at <= $3::timestamptz;

-- name: answers
-- $1 bucket $2 account $3 until. Whose it is, only the number says
select count(*) as records, count(distinct a.party_index) as people
  from answer a
  join number n on n.id = a.number_id and n.account_id = $2::uuid
 where a.bucket = $1::smallint and a.last_at <= $3::timestamptz;

-- name: fanouts
-- $1 bucket $2 account $3 until
select count(*) as records, count(distinct f.party_index) as people from fanout f
 where f.bucket = $1::smallint and f.account_id = $2::uuid and f.arrived_at <= $3::timestamptz;

-- name: hook_calls
-- $1 bucket $2 account $3 until. Whose a text is, only what is sealed says: each counts as somebody else's
select count(*) as records, count(*) as people from hook_call h
 where h.bucket = $1::smallint and h.account_id = $2::uuid and h.made_at <= $3::timestamptz;

-- name: privacy_requests
-- $1 bucket $2 account $3 until. Who asked is known while an erasure is not done; otherwise each counts as another
select count(*) as records, count(distinct coalesce(q.parties[1], uuid_send(q.id))) as people from privacy_request q
 where q.bucket = $1::smallint and q.account_id = $2::uuid and q.asked_at <= $3::timestamptz;

-- name: privacy_exports
-- $1 bucket $2 account $3 until
select count(*) as records, count(distinct x.party_index) as people from privacy_export x
 where x.bucket = $1::smallint and x.account_id = $2::uuid and x.made_at <= $3::timestamptz;

-- name: carrier_copies
-- $1 bucket $2 account $3 until. Whom a text was for, only the carrier's record says
select count(*) as records, null::bigint as people from redaction r
 where r.bucket = $1::smallint and r.account_id = $2::uuid and r.since <= $3::timestamptz;

-- name: audit_entries
-- $1 bucket $2 account $3 until. Erased ones say nothing of anybody
select count(*) as records, null::bigint as people from audit_entry t
 where t.bucket = $1::smallint and t.account_id = $2::uuid and t.sealed_at <= $3::timestamptz and t.record is not null;

-- name: inbox_keys
-- $1 bucket $2 account $3 until. Whose it is, only the connection says
select count(*) as records, null::bigint as people
  from inbox_key k
  join connection c on c.id = k.connection_id and c.account_id = $2::uuid
 where k.bucket = $1::smallint and k.at <= $3::timestamptz;

-- name: idempotency_answers
-- $1 bucket $2 account $3 until
select count(*) as records, null::bigint as people from idempotency i
 where i.bucket = $1::smallint and i.account_id = $2::uuid and i.created_at <= $3::timestamptz;

-- name: api_keys
-- $1 bucket $2 account $3 until
select count(*) as records, null::bigint as people from api_key k
 where k.bucket = $1::smallint and k.account_id = $2::uuid and k.created_at <= $3::timestamptz;

-- name: suppressions
-- $1 bucket $2 account
select count(*) as records, count(distinct s.party_index) as people from suppression s
 where s.bucket = $1::smallint and s.account_id = $2::uuid;

-- name: number_states
-- $1 bucket $2 account
select count(*) as records, null::bigint as people from number_state n
 where n.bucket = $1::smallint and n.account_id = $2::uuid;
