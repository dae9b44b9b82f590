-- Loops: how often the same was said to somebody within a minute, counted only once a process has seen it twice. And words that are
-- for the marketplace: a pool's keyword rules.

alter table answer add column n integer not null default 1;
alter table pool add column rules jsonb not null default '[]';
