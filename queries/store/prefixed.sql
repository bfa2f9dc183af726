-- Whether the ids of a stream's records begin with its name: as it was when they were first read, however many streams there
-- are by now.
select bool_and(starts_with(record_id, $prefix))
from raw_record
where source = $source and starts_with(unit, $prefix);
