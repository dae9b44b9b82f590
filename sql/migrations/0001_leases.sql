-- Who owns which bucket. A lease is a row, because advisory locks are kept per node and forgotten with the connection.
-- `epoch` grows with every change of owner and fences beginnings: whoever was owner before cannot begin a send any more.

create table lease (
    bucket smallint not null,
    name text not null,
    owner uuid not null,
    epoch bigint not null,
    until timestamptz not null,
    primary key (bucket, name),
    constraint bucket_in_range check (bucket between 0 and 1023)
);
