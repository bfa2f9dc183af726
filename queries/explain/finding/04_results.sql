-- title: Results
-- description: How each control judged what the finding is about.
-- param: finding_id text required  A finding_id
select r.control, r.result, r.reason, t.sentence as because, k.file as rule
from finding f
join control_result r on r.subject_kind = f.subject_kind and r.subject_id = f.subject_id
 and (f.subject_kind <> 'pipeline' or r.service = f.service)
left join control k on k.control = r.control
left join reason t on t.reason = r.reason
where f.finding_id = $finding_id
order by k.place, r.environment;
