-- title: Stages
-- description: The pipeline as it is defined, and as it was.
-- param: finding_id text required  A finding_id
select p.revision, p.current, p.changed_at, p.changed_by, p.stage, p.environment, p.trigger, p.approvals_required,
       array_to_string(p.approvers, ', ') as approvers, p.requester_can_approve, p.can_bypass
from finding f
left join deployment d on f.subject_kind = 'deployment' and d.deployment_id = f.subject_id
join pipeline_stage p on p.pipeline = case f.subject_kind when 'pipeline' then f.subject_id else d.pipeline end and p.service = f.service
where f.finding_id = $finding_id
order by p.valid_from desc, p.current desc, p.valid_to desc, p.revision, p.stage_order, p.stage;
