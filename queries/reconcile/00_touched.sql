-- Changes of which a record was mapped, or forgotten, in this run: filled by the mapping.
create or replace temporary table touched (change_id varchar);
