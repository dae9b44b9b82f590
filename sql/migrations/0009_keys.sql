-- Nothing: this number is kept for another change, and migrations are numbered without a gap. A file without any statement
-- is more than the driver can bear.
select 1;
