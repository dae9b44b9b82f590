-- Kept free for another change: files are numbered without a gap.
select 1;
