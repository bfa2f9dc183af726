-- What a mapping sees: the records of one source that came in since it was last mapped, the newest content of each id.
create or replace temporary table raw as
select source, record_id, occurred_at, unit, position, hash as raw_hash, record, null::varchar as previous
from raw_record
where source = $source and batch_id > $after_batch
qualify row_number() over (partition by record_id order by batch_id desc, unit desc, position desc) = 1;
