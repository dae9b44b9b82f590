-- Which processes share the buckets. A row is a sign of life; whoever gives none for as long as a lease lasts is not counted.

create table process (
    owner uuid primary key,
    until timestamptz not null
);
