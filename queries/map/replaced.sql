-- What a mapping sees: the records of one source that came in since it was last mapped, the newest content of each id.

-- Contents that a newer one under the same id has replaced: none, but for corrected and appended records.
create or replace temporary table replaced as
select record_id, hash, batch_id, unit, position
from raw_record
where source = $source and batch_id > $after_batch
  and record_id in (
      select record_id from raw_record where source = $source and batch_id > $after_batch group by record_id having count(*) > 1
  )
qualify row_number() over (partition by record_id order by batch_id desc, unit desc, position desc) > 1;
