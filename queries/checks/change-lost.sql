-- title: No change is lost between mapping and verdict
-- description: A mapped change that succeeded and has no verdict.
with judged as (
    select e.*, e.change_id in (select change_id from change) as has_verdict
    from event e
    where e.category = 'change'
)
select e.source, e.record_id, e.action
from judged e
where e.outcome = 'succeeded' and not e.has_verdict
  -- a copy without the provider's key is told under that of a fuller source
  and not exists (from judged f where f.has_verdict and f.system = e.system and f.copy_key = e.copy_key and e.change_key = e.copy_key)
order by e.source, e.record_id;
