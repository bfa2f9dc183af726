-- title: No change is lost between mapping and verdict
-- description: A mapped change that succeeded and has no verdict, unless its system says later that it did not.
with judged as (
    select e.*, e.change_id in (select change_id from change) as has_verdict
    from event e
    where e.category = 'change'
)
select e.source, e.record_id, e.action
from judged e
where e.outcome = 'succeeded' and not e.has_verdict
  -- of what the system corrected the correction counts
  and e.change_id not in (select change_id from event where corrects and outcome = 'failed')
  -- a copy without the provider's key is told with its like
  and (e.source, e.record_id) not in (select (m.source, m.record_id) from moved m semi join change using (change_id))
order by e.source, e.record_id;
