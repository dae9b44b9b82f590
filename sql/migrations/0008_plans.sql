-- The outbox is empty at one moment and long at the next: whatever ANALYZE has seen of it is wrong. Without statistics the
-- planner takes the index that knows most of a row, which is always right here.
alter table outbox
    alter column bucket set statistics 0,
    alter column message_id set statistics 0,
    alter column session_id set statistics 0,
    alter column to_participant set statistics 0,
    alter column leg_no set statistics 0,
    alter column party_index set statistics 0,
    alter column number_id set statistics 0,
    alter column phase set statistics 0,
    alter column due_at set statistics 0,
    alter column deadline_at set statistics 0;
