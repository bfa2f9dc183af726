-- Records that came in again under their id: what they meant before is forgotten.
create or replace temporary table retold as
select distinct old.record_id
from raw_record old
semi join (select record_id from raw_record where source = $source and batch_id > $after_batch) new using (record_id)
where old.source = $source and old.batch_id <= $after_batch;
