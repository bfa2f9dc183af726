-- The records that a mapping may join with those that came in after a batch, and these themselves: they have a key in
-- common, be it one that a record had before it came in again. With their places, by which they are read: most of a log
-- is not.
create or replace temporary table together as
with
keyed as materialized (
    select record_id, key from (
{mapping}
    )
),
fresh as materialized (
    select distinct record_id from raw_record where source = $source and batch_id > $after_batch
),
found as (
    select record_id from fresh
    union
    select record_id from keyed where key in (select key from keyed semi join fresh using (record_id))
)
select r.rowid as place, r.record_id from raw_record r semi join found using (record_id) where r.source = $source;
