-- title: Pipelines
-- description: Every stage of every pipeline as it is defined now, and how the pipeline stands against the standard.
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
with results as (
    select subject_id as pipeline, service,
           min(result) filter (where control = 'dev-auto') as dev_auto,
           min(result) filter (where control = 'preprod-manual') as preprod_manual,
           -- one result for each live stage: the worst
           ['pass', 'no-evidence', 'fail', 'not-applicable'][max(list_position(['pass', 'no-evidence', 'fail', 'not-applicable'], result)) filter (where control = 'prod-approval')] as prod_approval
    from control_result where subject_kind = 'pipeline' group by all
)
select
    p.pipeline, p.service, p.stage, p.environment, coalesce(p.trigger, '') as trigger, p.approvals_required, p.requester_can_approve,
    coalesce(r.dev_auto, 'not-applicable') as dev_auto,
    coalesce(r.preprod_manual, 'not-applicable') as preprod_manual,
    coalesce(r.prod_approval, 'not-applicable') as prod_approval,
    coalesce(p.changed_by, '') as changed_by, p.changed_at,
    coalesce(p.revision, '') as revision, p.can_bypass, coalesce(array_to_string(p.approvers, ';'), '') as approvers
from pipeline_stage p
left join results r using (pipeline, service)
where p.current
  and ($environment is null or p.environment = $environment)
  and ($service is null or p.service = $service)
order by p.pipeline, p.service, p.stage_order, p.stage;
