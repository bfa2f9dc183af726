-- The contents of records of a log that came in under one id in several ways, whole: whether they say different things is asked
-- when they are mapped. What is no log (objects, and things that go on) is told again whenever it is otherwise.
create or replace temporary table contradicting as
select distinct record_id, hash
from raw_record
where source = $source
  and record_id in (select record_id from replaced union all select record_id from retold)
  and split_part(unit, '/', 1) not in (select unnest(from_json($no_logs, '["VARCHAR"]')))
qualify count(distinct hash) over (partition by record_id) > 1;
