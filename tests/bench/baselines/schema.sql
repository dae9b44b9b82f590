-- The tables of the baselines. No foreign keys and no index that nothing here looks into: each would cost every text.

-- Who a text to `number` from `phone` is for, and from which number it goes on.
create table conversation (
    number text not null,
    phone text not null,
    other_number text not null,
    other_phone text not null,
    primary key (number, phone)
);

-- Of the HTTP builds. `inbound_sid` refuses copies. `state` is in no index, so that both of its changes can stay on their
-- page (HOT); whoever asks for the unsent reads the whole table, which happens at a start and at the end of a run.
create table message (
    id bigint generated always as identity primary key,
    inbound_sid text not null unique,
    sender text not null,
    recipient text not null,
    body text not null,
    state text not null default 'received',
    outbound_sid text,
    received_at timestamptz not null default now(),
    constraint message_state check (state in ('received', 'accepted', 'sent', 'delivered', 'undelivered', 'failed'))
);

-- Of the pgbench scripts: what a relay keeps that loses nothing. A text itself is in the outbox alone, until it has left.
create schema cycle;

-- The conversations, counted from 1: pgbench's random numbers choose among them.
create table cycle.pair (
    n integer primary key,
    number text not null,
    phone text not null
);

create table cycle.inbound (
    sid text primary key,
    number text not null,
    phone text not null,
    received_at timestamptz not null default now()
);

create table cycle.message (
    id bigint generated always as identity primary key,
    number text not null,
    phone text not null,
    state text not null,
    outbound_sid text,
    received_at timestamptz not null default now(),
    accepted_at timestamptz,
    delivered_at timestamptz,
    constraint message_state check (state in ('queued', 'sending', 'accepted', 'delivered', 'undelivered'))
);
-- the texts of a conversation
create index message_by_conversation on cycle.message (number, phone, id);

create table cycle.attempt (
    message_id bigint not null,
    n integer not null,
    begun_at timestamptz not null default now(),
    ended_at timestamptz,
    outcome text,
    primary key (message_id, n)
);

create table cycle.outbox (
    message_id bigint primary key,
    sender text not null,
    recipient text not null,
    body text not null,
    phase text not null,
    due_at timestamptz not null default now(),
    constraint outbox_phase check (phase in ('queued', 'sending'))
);
-- what is to be sent next; with `phase` as a column of it, every search by id would also wade through its dead entries
create index outbox_due on cycle.outbox (due_at) where phase = 'queued';
-- what has to leave before it in the same conversation
create index outbox_order on cycle.outbox (sender, recipient, message_id);
