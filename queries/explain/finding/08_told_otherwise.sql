-- title: Told otherwise
-- description: What records of the deployment say of who asked for it and approved it, otherwise than before and after its start, and which records.
-- param: finding_id text required  A finding_id
select t.told_at, t.fact, t.before, t.after, t.before_record, t.record
from finding f
join (select deployment_id, unnest(told, recursive := true) from authorisation_change) t on t.deployment_id = f.subject_id
where f.finding_id = $finding_id and f.subject_kind = 'deployment'
order by t.told_at, t.fact, t.record;
