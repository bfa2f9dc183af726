-- title: No change is lost between mapping and verdict
-- description: A mapped change that succeeded and has no verdict.
select e.source, e.record_id, e.action
from event e
where e.category = 'change' and e.outcome = 'succeeded'
  and left(sha256(e.system || chr(31) || e.change_key), 32) not in (select change_id from change)
order by e.source, e.record_id;
