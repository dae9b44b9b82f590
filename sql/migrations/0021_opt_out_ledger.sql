-- Opt-outs as a ledger: each with an id to name it by, who said so, and why. Those from before count as people's own words: nobody
-- lifts them by mistake.

alter table suppression
    add column id uuid,
    add column source text not null default 'person',
    add column reason text;
update suppression
   set id = overlay(overlay(overlay(lpad(to_hex((extract(epoch from changed_at) * 1000)::bigint), 12, '0')
                                    || md5(account_id::text || party_index::text)
                            placing '7' from 13) placing '8' from 17) placing lpad(to_hex(bucket::int), 3, '0') from 30 for 15)::uuid;
alter table suppression
    -- for a process of the version before, which does not name it
    alter column id set default gen_random_uuid(),
    alter column id set not null,
    add constraint suppression_source check (source in ('person', 'carrier', 'api', 'import')),
    add constraint suppression_reason check (reason in ('asked_otherwise', 'complaint', 'wrong_person',
        'do_not_contact_list', 'earlier_system'));
-- an account's list, newest first: listed
create index suppression_listed on suppression (bucket, account_id, id) where opted_out;

alter table fanout
    add column source text not null default 'person',
    add column reason text;
