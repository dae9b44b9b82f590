-- Templates of texts, in the account's bucket.

-- name: add
-- $1 bucket $2 now $3 id $4 account $5 name $6 text $7 language
insert into template (bucket, id, account_id, name, text, language, created_at, changed_at)
values ($1::smallint, $3::uuid, $4::uuid, $5::text, $6::text, $7::text, $2::timestamptz, $2::timestamptz)
    on conflict (bucket, id) do nothing;

-- name: read
-- $1 bucket $2 account $3 id. Foreign and unknown ids both give no row
select id, name, text, language, created_at, changed_at from template
 where bucket = $1::smallint and account_id = $2::uuid and id = $3::uuid;

-- name: named
-- $1 bucket $2 account $3 name
select id, name, text, language, created_at, changed_at from template
 where bucket = $1::smallint and account_id = $2::uuid and name = $3::text;

-- name: list
-- $1 bucket $2 account $3 limit $4 before this id. Newest first
select id, name, text, language, created_at, changed_at from template
 where bucket = $1::smallint and account_id = $2::uuid and ($4::uuid is null or id < $4::uuid)
 order by id desc limit $3;

-- name: change
-- $1 bucket $2 now $3 id $4 account $5 name $6 text $7 language. Null = leave it
update template set name = coalesce($5::text, name), text = coalesce($6::text, text),
                    language = coalesce($7::text, language), changed_at = $2::timestamptz
 where bucket = $1::smallint and id = $3::uuid and account_id = $4::uuid
returning id;

-- name: remove
-- $1 bucket $2 id $3 account
delete from template where bucket = $1::smallint and id = $2::uuid and account_id = $3::uuid returning id;
