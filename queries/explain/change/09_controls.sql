-- title: Controls
-- description: How the deployment and this change stand against the standard, what failed besides, by which the verdict does not go, and the file of the rule.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
),
judged as (
    from control_result
    union all by name
    select * exclude (retold_at) from told_failure
)
select r.control, k.title, r.subject_kind, r.subject_id, r.result, r.reason, t.sentence as because, k.file as rule
from chosen
join change c using (change_id)
join judged r on (r.subject_kind = 'deployment' and r.subject_id = c.deployment_id) or (r.subject_kind = 'change' and r.subject_id = c.change_id)
left join control k on k.control = r.control
left join reason t on t.reason = r.reason
order by r.subject_kind desc, k.place, r.result, r.reason;
