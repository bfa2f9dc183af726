-- How late a record was, and which standing credential a sign-in used.

-- When the system could first be asked for the record, where it says so.
alter table event add column available_at timestamp;

-- The standing credential that was used; in a row without an issued key, the one whose subject is told.
alter table session add column credential varchar;
