-- Which of a pool's words was said; how many texts of an account may leave in a day, and how many have; whom notices do not reach.

-- the keyword rule that a text was the word of, for rule.matched
alter table event add column rule_id uuid;

-- null = any number
alter table account add column daily_cap integer,
    add constraint account_daily_cap check (daily_cap >= 0);

-- What has left today of an account with a cap: here, and in its other buckets as they last told. One row for each bucket and account,
-- which the first text of a day begins anew.
create table daily_count (
    bucket smallint not null,
    account_id uuid not null,
    day date not null,
    here integer not null default 0,
    elsewhere integer not null default 0,
    primary key (bucket, account_id)
);

-- how many notices in a row have not reached this person's phone, and until when they get none: asked by the door
alter table person add column bounces smallint not null default 0, add column silent_until timestamptz;
