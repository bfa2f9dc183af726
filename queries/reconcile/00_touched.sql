-- What is mapped, or forgotten, in this run: filled by the mapping.

-- Changes of which a record tells.
create or replace temporary table touched (change_id varchar);

-- Sign-ins, by what leads to them.
create or replace temporary table session_touched (system varchar, issued_key varchar, shared_key varchar, credential varchar);
