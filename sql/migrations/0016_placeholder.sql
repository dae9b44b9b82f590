-- Nothing: this number belongs to another change that is merged beside this one.
select 1;
