-- What the marketplace hears and decides: which of its words was said.

-- the keyword rule that a text was the word of, for rule.matched
alter table event add column rule_id uuid;
