-- title: Told otherwise
-- description: What records of the deployment say of who asked for it and approved it, otherwise than before and after its start, and which records.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
select t.told_at, t.fact, t.before, t.after, t.before_record, t.record
from chosen
join change c using (change_id)
join (select deployment_id, unnest(told, recursive := true) from authorisation_change) t on t.deployment_id = c.deployment_id
order by t.told_at, t.fact, t.record;
