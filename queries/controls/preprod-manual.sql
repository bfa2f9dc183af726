-- title: Pre-production deploys manually
-- description: The pre-production stage needs a human approval, and every pre-production deployment had one.
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
        d.pipeline, d.service, d.started_at, d.trigger = 'manual' as by_hand,
        d.approvals is not null as approvals_known,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.in_time and a.counts and not a.stale and a.phase is distinct from 'review'), false) as approved
    from deployment d
    left join approval a using (deployment_id)
    where d.environment = 'preprod' and d.ran
    group by d.deployment_id, d.pipeline, d.service, d.started_at, d.trigger, d.approvals
),
pipelines as (select pipeline, service, max(changed_at) as changed_at from pipeline_stage where current group by all),
breaches as (
    -- runs that were not so
    select pipeline, service, count(*) as runs, max(started_at) as last
    from runs
    cross join meaning
    where not case manual_means when 'approval' then approved when 'trigger' then coalesce(by_hand, false) else approved and coalesce(by_hand, false) end
    group by all
),
judged as (
    select
        p.pipeline, p.service, p.changed_at,
        count(s.pipeline) as stages,
        case manual_means
            when 'approval' then coalesce(bool_and(s.needs_approval), false)
            when 'trigger' then coalesce(bool_and(s.by_hand), false)
            else coalesce(bool_and(s.needs_approval and s.by_hand), false)
        end as defined,
        coalesce(any_value(b.runs), 0) as against, any_value(b.last) as last_against
    from pipelines p
    cross join meaning
    left join stages s using (pipeline, service)
    left join breaches b using (pipeline, service)
    group by p.pipeline, p.service, p.changed_at, manual_means
)
select
    'pipeline' as subject_kind, pipeline as subject_id, service, 'preprod' as environment,
    case when stages > 0 and defined and against = 0 then 'pass' else 'fail' end as result,
    case
        when stages = 0 then 'no-preprod-stage'
        when not defined then 'preprod-not-manual'
        when against > 0 then 'preprod-ran-without'
        else 'preprod-manual'
    end as reason,
    -- null, where it is not known since when the definition is as it is
    case
        when stages > 0 and defined then last_against
        when changed_at is not null then greatest(changed_at, last_against)
    end as occurred_at
from judged;
