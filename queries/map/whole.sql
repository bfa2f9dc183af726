-- All records of a source, those included that a newer one under the same id has replaced.
create or replace temporary table replaced (record_id varchar, hash varchar, batch_id bigint, unit varchar, position bigint);
create or replace temporary table previous_record (record_id varchar, record varchar, item varchar, seen_at timestamp, other_at timestamp);
