-- One person: what was asked about them, everything that a bucket holds about them, and taking it away. They are looked for by every
-- party index that they may have.

-- name: write_request
-- $1 bucket $2 now $3 id $4 account $5 kind $6 operator's reason $7 key $8 who, until it is done $9 event id. No row = it was
-- written before
with r as (
    insert into privacy_request (bucket, id, account_id, kind, operator_reason, asked_at, asked_by, parties)
    values ($1::smallint, $3::uuid, $4::uuid, $5::text, $6::text, $2::timestamptz, $7::uuid, $8::bytea[])
        on conflict (bucket, id) do nothing
    returning id, account_id, kind, operator_reason
), e as (
    insert into event (bucket, id, account_id, type, reason, at)
    select $1::smallint, $9::uuid, r.account_id, 'privacy.' || r.kind, r.operator_reason, $2::timestamptz from r
)
select id from r;

-- name: keep_export
-- $1 bucket $2 now $3 request $4 account $5 party index $6 sealed document $7 transit id
insert into privacy_export (bucket, id, account_id, party_index, sealed_document, transit_id, made_at)
values ($1::smallint, $3::uuid, $4::uuid, $5::bytea, $6::bytea, $7::int, $2::timestamptz);

-- name: request
-- $1 bucket $2 account $3 request $4 exports older than this are as good as gone
select r.id, r.kind, r.asked_at, x.made_at from privacy_request r
  left join privacy_export x on x.bucket = $1::smallint and x.id = r.id and x.made_at > $4::timestamptz
 where r.bucket = $1::smallint and r.account_id = $2::uuid and r.id = $3::uuid;

-- name: export
-- $1 bucket $2 request $3 older ones are as good as gone
select account_id, sealed_document, transit_id, made_at from privacy_export
 where bucket = $1::smallint and id = $2::uuid and made_at > $3::timestamptz;

-- name: unfinished
-- $1 bucket $2 limit. Erasures that a crash may have left
select id, account_id, parties from privacy_request
 where bucket = $1::smallint and parties is not null
 order by id limit $2;

-- name: finish_request
-- $1 bucket $2 request. Nobody is named any more
update privacy_request set parties = null where bucket = $1::smallint and id = $2::uuid;

-- name: forget_exports
-- $1 bucket $2 made before $3 limit
delete from privacy_export x using (select id from privacy_export
                                     where bucket = $1::smallint and made_at <= $2::timestamptz
                                     order by made_at limit $3) as old
 where x.bucket = $1::smallint and x.id = old.id
returning x.id;

-- name: forget_requests
-- $1 bucket $2 asked before $3 limit. Their copies are gone long since
delete from privacy_request r using (select id from privacy_request
                                      where bucket = $1::smallint and asked_at <= $2::timestamptz and parties is null
                                      order by asked_at limit $3) as old
 where r.bucket = $1::smallint and r.id = old.id
   and (select x.id from privacy_export x where x.bucket = $1::smallint and x.id = r.id) is null
returning r.id;

-- name: sessions_of
-- $1 bucket | $2 party indexes. The sessions that this person is or was in, with their own seat in each
select s.id, p.id as participant_id, p.label, p.number_id, p.sealed_phone is not null as phone_held, s.status, s.unique_name,
       s.metadata, s.created_at, s.expires_at, s.last_message_at, s.closed_at, s.close_reason
  from participant p
  join session s on s.bucket = $1::smallint and s.id = p.session_id
 where p.bucket = $1::smallint and p.party_index = any ($2::bytea[])
 order by s.id, p.id;

-- name: messages_of
-- $1 bucket | $2 sessions $3 this person's participants. What they sent or were sent; nothing that is the other's alone
select m.id, m.session_id, m.from_participant, m.kind, m.state, m.reason, m.segments, m.received_at, m.accepted_at, m.delivered_at
  from message m
 where m.bucket = $1::smallint and m.session_id = any ($2::uuid[])
   and (m.from_participant = any ($3::uuid[]) or m.to_participant = any ($3::uuid[]))
 order by m.id;

-- name: waiting_for
-- $1 bucket | $2 party indexes. Texts outside of any session, such as codes: known to be theirs only while they wait
select m.id, m.session_id, m.from_participant, m.kind, m.state, m.reason, m.segments, m.received_at, m.accepted_at, m.delivered_at
  from outbox o
  join message m on m.bucket = $1::smallint and m.id = o.message_id
 where o.bucket = $1::smallint and o.party_index = any ($2::bytea[]) and o.session_id is null
 order by m.id;

-- name: numbers_of
-- $1 bucket | $2 party indexes. Which numbers know this person, and until when
select b.number_id, b.session_id, nullif(b.held_until, 'infinity') as kept_until from binding b
 where b.bucket = $1::smallint and b.party_index = any ($2::bytea[])
 order by b.session_id, b.number_id;

-- name: wishes_of
-- $1 bucket | $2 party indexes. Whether they want texts, as this bucket knows it
select p.opted_out, nullif(p.changed_at, '-infinity') as changed_at, p.bounces, p.silent_until from person p
 where p.bucket = $1::smallint and p.party_index = any ($2::bytea[]) and not p.superseded;

-- name: suppression_of
-- $1 account's bucket $2 account | $3 party indexes
select s.opted_out, s.changed_at from suppression s
 where s.bucket = $1::smallint and s.account_id = $2::uuid and s.party_index = any ($3::bytea[]);

-- name: answers_of
-- $1 bucket | $2 party indexes. When they last got an automatic answer
select a.number_id, a.kind, a.last_at from answer a
 where a.bucket = $1::smallint and a.party_index = any ($2::bytea[])
 order by a.last_at, a.number_id, a.kind;

-- name: verifications_of
-- $1 bucket $2 account | $3 party indexes
select v.id, v.purpose, v.status, v.reason, v.created_at, v.expires_at from verification v
 where v.bucket = $1::smallint and v.account_id = $2::uuid and v.party_index = any ($3::bytea[])
 order by v.id;

-- name: exports_of
-- $1 account's bucket $2 account | $3 party indexes. Copies that were made for them before
select x.id, x.made_at from privacy_export x
 where x.bucket = $1::smallint and x.account_id = $2::uuid and x.party_index = any ($3::bytea[])
 order by x.id;

-- name: erase_verifications
-- $1 bucket $2 account | $3 party indexes. One that is pending ends first
delete from verification v
 where v.bucket = $1::smallint and v.account_id = $2::uuid and v.party_index = any ($3::bytea[]) and v.status <> 'pending';

-- name: erase_exports
-- $1 account's bucket $2 account | $3 party indexes
delete from privacy_export x
 where x.bucket = $1::smallint and x.account_id = $2::uuid and x.party_index = any ($3::bytea[]);
