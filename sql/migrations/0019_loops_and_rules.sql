-- Loops: how often the same was said to somebody within a minute. Counted only once a process has seen it twice.

alter table answer add column n integer not null default 1;
