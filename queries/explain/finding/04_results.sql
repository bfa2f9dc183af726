-- title: Results
-- description: How each control judged what the finding is about, and what failed besides: the verdict on its changes does not go by that.
-- param: finding_id text required  A finding_id
with judged as (
    from control_result
    union all by name
    select * exclude (retold_at) from told_failure
)
select r.control, r.result, r.reason, t.sentence as because, k.file as rule
from finding f
join judged r on r.subject_kind = f.subject_kind and r.subject_id = f.subject_id
 and (f.subject_kind <> 'pipeline' or r.service = f.service)
left join control k on k.control = r.control
left join reason t on t.reason = r.reason
where f.finding_id = $finding_id
order by k.place, r.environment, r.result, r.reason;
