-- The latest record of each object of a stream: what a new snapshot is held against.
select arg_max(record_id, (batch_id, unit, position))
from raw_record
where source = $source and starts_with(unit, $prefix)
group by split_part(record_id, '@', 1);
