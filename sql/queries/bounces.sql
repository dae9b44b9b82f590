-- Notices that did not reach a phone. Only of texts that Relay wrote by itself.

-- name: recipients
-- $1 bucket | $2 message ids. To whom texts of sessions went
select m.id, pa.party_index
  from message m
  join participant pa on pa.bucket = $1::smallint and pa.id = m.to_participant
 where m.bucket = $1::smallint and m.id = any ($2::uuid[]) and pa.party_index is not null;

-- name: lock
-- $1 bucket | $2 party indexes. Held against whoever counts for the same people
select party_index, bounces from person
 where bucket = $1::smallint and party_index = any ($2::bytea[])
 order by party_index for no key update;

-- name: write
-- $1 bucket $2 party index, locked $3 how many in a row $4 until when they get no notice, or null
update person set bounces = $3::smallint, silent_until = $4::timestamptz
 where bucket = $1::smallint and party_index = $2::bytea;
