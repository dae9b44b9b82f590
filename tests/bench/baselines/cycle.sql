-- One text through a relay, as far as the database is concerned: three transactions, as its life has them. Each is one
-- statement, since a round trip costs more than what it carries.
\if :pairs = 0
select max(n) as pairs from cycle.pair \gset
\endif
\set n random(1, :pairs)

-- It arrives: a copy is refused, whom it is for is looked up, and it is noted together with the attempt to send it.
with arrived as (
    insert into cycle.inbound (sid, number, phone)
    select 'SM' || gen_random_uuid(), number, phone from cycle.pair where n = :n
        on conflict (sid) do nothing
    returning number, phone
), written as (
    insert into cycle.message (number, phone, state)
    select c.other_number, c.other_phone, 'sending'
      from arrived a join conversation c on c.number = a.number and c.phone = a.phone
    returning id, number, phone
), tried as (
    insert into cycle.attempt (message_id, n) select id, 1 from written
)
insert into cycle.outbox (message_id, sender, recipient, body, phase)
select id, number, phone, 'I am at the north door, the one that faces the old station.', 'sending' from written
returning message_id \gset

-- The carrier has taken it.
with left_us as (
    delete from cycle.outbox where message_id = :message_id returning message_id
), ended as (
    update cycle.attempt a set ended_at = now(), outcome = 'accepted'
      from left_us where a.message_id = left_us.message_id and a.n = 1
)
update cycle.message m
   set state = 'accepted', accepted_at = now(), outbound_sid = 'SM' || gen_random_uuid()
  from left_us where m.id = left_us.message_id and m.state = 'sending';

-- The carrier's receipt.
update cycle.message set state = 'delivered', delivered_at = now() where id = :message_id and state = 'accepted';
