-- A placeholder: what stands here comes from elsewhere.
select 1;
