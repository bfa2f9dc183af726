-- A view, no copy: the records stay where they are.
create or replace temporary view raw as
select source, record_id, occurred_at, unit, position, hash as raw_hash, record, null::varchar as previous
from raw_record r
where source = '{source}' and batch_id > {after_batch}
  and not exists (
      from replaced p
      where p.record_id = r.record_id and p.hash = r.hash and p.batch_id = r.batch_id and p.unit = r.unit and p.position = r.position
  );
