-- What a session has to remember so that people can be replaced in it and it can be reopened.
--
-- How near its numbers had to be: whoever comes later is given one by the same rule.
-- `seating` counts how often who sits in it has changed, by a reopening or a replacement; `people_since` is its value when
-- somebody was last replaced. The journal beside the keyring is told both, so that a backup from before a change is known for
-- one, and a session that was reopened is not taken for one that has ended.

alter table session
    add column geo_match text not null default 'country',
    add column geo_fallback text not null default 'strict',
    add column seating integer not null default 0,
    add column people_since integer not null default 0,
    add constraint session_geo_match check (geo_match in ('area-code', 'country', 'any')),
    add constraint session_geo_fallback check (geo_fallback in ('strict', 'nearest')),
    add constraint session_people_since check (people_since between 0 and seating);

-- reopened ones and those with a new person are told to the journal, too: untold
drop index session_unjournaled;
create index session_unjournaled on session (bucket, id) where not journaled;
