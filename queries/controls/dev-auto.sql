-- title: Dev deploys automatically
-- description: The pipeline has a dev stage whose trigger is automatic, with no human approval.
-- controls: OFQ-00005/dev-auto
select
    'pipeline' as subject_kind, pipeline as subject_id, service, 'dev' as environment,
    case
        when bool_or(environment = 'dev' and trigger = 'automatic' and approvals_required = 0) then 'pass'
        when bool_or(environment = 'dev' and coalesce(trigger, 'automatic') = 'automatic' and coalesce(approvals_required, 0) = 0) then 'no-evidence'
        else 'fail'
    end as result,
    case
        when bool_or(environment = 'dev' and trigger = 'automatic' and approvals_required = 0) then 'dev-automatic'
        when not bool_or(environment = 'dev') then 'no-dev-stage'
        when bool_or(environment = 'dev' and coalesce(trigger, 'automatic') = 'automatic' and coalesce(approvals_required, 0) = 0) then case when bool_or(environment = 'dev' and trigger is null and coalesce(approvals_required, 0) = 0) then 'trigger-unknown' else 'dev-approvals-unknown' end
        else 'dev-not-automatic'
    end as reason,
    max(changed_at) as occurred_at
from pipeline_stage
where current
group by pipeline, service
union all
select 'pipeline', pipeline, service, 'dev', 'no-evidence', 'no-definition', null
from undefined_pipeline;
