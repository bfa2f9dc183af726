-- title: One result for each control and subject
-- description: A deployment, change or service that a control judged more than once. A pipeline has one for each of its live stages.
select control, subject_kind, subject_id, count(*) as results
from control_result
where subject_kind <> 'pipeline'
group by control, subject_kind, subject_id
having count(*) > 1
order by control, subject_kind, subject_id;
