-- title: Pre-production deploys manually
-- description: The pre-production stage needs a human approval, and every pre-production deployment had one.
-- severity: medium
-- controls: OFQ-00005/preprod-manual
with
meaning as (select manual_means from config_standard),
stages as (
    select
        s.pipeline, s.service,
        s.approvals_required > 0 as needs_approval,
        s.trigger = 'manual' as by_hand
    from pipeline_stage s
    where s.current and s.environment = 'preprod'
),
runs as (
    select
        d.pipeline, d.service, d.trigger = 'manual' as by_hand,
        d.approvals is not null as approvals_known,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.in_time and a.counts and not a.stale and a.phase is distinct from 'review'), false) as approved
    from deployment d
    left join approval a using (deployment_id)
    where d.environment = 'preprod' and d.ran
    group by d.deployment_id, d.pipeline, d.service, d.trigger, d.approvals
),
pipelines as (select distinct pipeline, service from pipeline_stage where current),
judged as (
    select
        p.pipeline, p.service,
        count(s.pipeline) as stages,
        case manual_means
            when 'approval' then coalesce(bool_and(s.needs_approval), false)
            when 'trigger' then coalesce(bool_and(s.by_hand), false)
            else coalesce(bool_and(s.needs_approval and s.by_hand), false)
        end as defined,
        (
            select count(*) from runs r
            where r.pipeline = p.pipeline and r.service = p.service
              and not case manual_means when 'approval' then r.approved when 'trigger' then coalesce(r.by_hand, false) else r.approved and coalesce(r.by_hand, false) end
        ) as against
    from pipelines p
    cross join meaning
    left join stages s using (pipeline, service)
    group by p.pipeline, p.service, manual_means
)
select
    'pipeline' as subject_kind, pipeline as subject_id, service, 'preprod' as environment,
    case when stages > 0 and defined and against = 0 then 'pass' else 'fail' end as result,
    case
        when stages = 0 then 'no-preprod-stage'
        when not defined then 'preprod-not-manual'
        when against > 0 then 'preprod-ran-without'
        else 'preprod-manual'
    end as reason
from judged;
