-- A log's records have none before them.
create or replace temporary table previous_record (record_id varchar, record varchar, item varchar, seen_at timestamp, other_at timestamp);
