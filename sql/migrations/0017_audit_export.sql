-- Exports of the audit log that were asked for: of which run of entries, under which head, with what was reported then. The pack
-- itself is made when it is fetched and lies nowhere.

create table audit_export (
    bucket smallint not null,
    id uuid not null,
    account_id uuid not null,
    asked_at timestamptz not null,
    asked_by uuid,
    checkpoint text not null,
    first_n bigint not null,
    end_n bigint not null,
    since timestamptz,
    until timestamptz,
    retention jsonb not null,
    primary key (bucket, id),
    foreign key (bucket, account_id) references audit_tree (bucket, account_id),
    constraint audit_export_run check (first_n >= 0 and first_n <= end_n)
);
-- upkeep: forget
create index audit_export_old on audit_export (bucket, asked_at);
