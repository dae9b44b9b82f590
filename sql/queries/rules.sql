-- Keyword rules: that one was obeyed.

-- name: matched
-- $1 bucket $2 now $3 event id $4 account $5 session, or null $6 its sender there, or null $7 the text $8 the rule. In the transaction that
-- refuses the text, whose own event does not say which word it was
insert into event (bucket, id, account_id, type, session_id, participant_id, message_id, rule_id, at)
values ($1::smallint, $3::uuid, $4::uuid, 'rule.matched', $5::uuid, $6::uuid, $7::uuid, $8::uuid, $2::timestamptz);
