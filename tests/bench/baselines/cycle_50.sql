-- What cycle.sql does, for fifty texts at a time: what the database could carry if everything above it cost nothing.
\if :pairs = 0
select max(n) as pairs from cycle.pair \gset
\endif

with texts as materialized (
    select 'SM' || gen_random_uuid() as sid, 1 + floor(random() * :pairs)::integer as n from generate_series(1, 50)
), arrived as (
    insert into cycle.inbound (sid, number, phone)
    select t.sid, p.number, p.phone from texts t join cycle.pair p on p.n = t.n order by t.sid
        on conflict (sid) do nothing
    returning number, phone
), written as (
    insert into cycle.message (number, phone, state)
    select c.other_number, c.other_phone, 'sending'
      from arrived a join conversation c on c.number = a.number and c.phone = a.phone
    returning id, number, phone
), tried as (
    insert into cycle.attempt (message_id, n) select id, 1 from written
), waiting as (
    insert into cycle.outbox (message_id, sender, recipient, body, phase)
    select id, number, phone, 'I am at the north door, the one that faces the old station.', 'sending' from written
    returning message_id
)
select array_agg(message_id) as message_ids from waiting \gset

with left_us as (
    delete from cycle.outbox where message_id = any (:message_ids::bigint[]) returning message_id
), ended as (
    update cycle.attempt a set ended_at = now(), outcome = 'accepted'
      from left_us where a.message_id = left_us.message_id and a.n = 1
)
update cycle.message m
   set state = 'accepted', accepted_at = now(), outbound_sid = 'SM' || gen_random_uuid()
  from left_us where m.id = left_us.message_id and m.state = 'sending';

update cycle.message set state = 'delivered', delivered_at = now()
 where id = any (:message_ids::bigint[]) and state = 'accepted';
