-- title: Repeatable
-- description: Live ran the same artifact and the same steps as pre-production did, where these are recorded; else by the
--   same definition of the pipeline.
-- controls: OFQ-00005/repeatable
-- each: deployment
with
-- the run in pre-production that live is held against, and how they compare: reconcile/02_pipelines.sql
compared as (
    select
        l.deployment_id, l.service, l.environment,
        r.deployment_id as preprod_id, r.same, r.steps_known, r.same_steps,
        -- where no steps were recorded, their definition tells whether they can be the same
        n.deployment_id is not null as redefined
    from deployment l
    left join proving_run r on r.live_id = l.deployment_id
    left join redefinition n on n.deployment_id = l.deployment_id
    where l.environment = 'live' and l.ran
)
select
    'deployment' as subject_kind, deployment_id as subject_id, service, environment,
    case
        when preprod_id is null then 'no-evidence'
        when not same or not same_steps or (redefined and not steps_known) then 'fail'
        when same is null or (steps_known and same_steps is null) then 'no-evidence'
        else 'pass'
    end as result,
    case
        when preprod_id is null then 'nothing-to-compare'
        when not same then 'different-artifact'
        when not same_steps then 'different-steps'
        when redefined and not steps_known then 'definition-changed'
        when same is null or (steps_known and same_steps is null) then 'nothing-to-compare'
        else 'same-as-preprod'
    end as reason
from compared;
