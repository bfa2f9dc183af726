-- The records that a mapping sees, numbered: which of them it fails on is found by halves.
create or replace temporary table tried as
select record_id, raw_hash, row_number() over (order by record_id) as number from raw;
