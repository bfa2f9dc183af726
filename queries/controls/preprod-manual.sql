-- title: Pre-production deploys manually
-- description: The pre-production stage needs a human approval, and every pre-production deployment had one.
-- controls: OFQ-00005/preprod-manual
with
meaning as (select manual_means from config_standard),
-- what is not told stays null: it is neither so nor not so
stages as (
    select
        s.pipeline, s.service,
        case manual_means
            when 'approval' then s.approvals_required > 0
            when 'trigger' then s.trigger = 'manual'
            else s.approvals_required > 0 and s.trigger = 'manual'
        end as good
    from pipeline_stage s
    cross join meaning
    where s.current and s.environment = 'preprod'
),
decided as (
    select
        d.deployment_id, d.pipeline, d.service, d.started_at, d.trigger = 'manual' as by_hand,
        case
            when bool_or(a.decision = 'approved' and not a.automated and a.in_time and a.counts and not a.stale and a.phase is distinct from 'review') then true
            when d.approvals is null or bool_or(a.decision = 'approved' and not a.automated and (not a.counts or (a.decided_at is null and not a.gated))) then null
            else false
        end as approved
    from deployment d
    left join approval a using (deployment_id)
    where d.environment = 'preprod' and d.ran
    group by d.deployment_id, d.pipeline, d.service, d.started_at, d.trigger, d.approvals
),
runs as (
    select
        pipeline, service, count(*) filter (where not good) as against, max(started_at) filter (where not good) as last_against, count(*) filter (where good is null) as unknown
    from (
        select d.*, case manual_means when 'approval' then approved when 'trigger' then by_hand else approved and by_hand end as good
        from decided d
        cross join meaning
    )
    group by all
),
defined as (
    select
        p.pipeline, p.service, p.changed_at, count(s.pipeline) as stages,
        count(*) filter (where not s.good) as against, count(s.pipeline) filter (where s.good is null) as unknown
    from (select pipeline, service, max(changed_at) as changed_at from pipeline_stage where current group by all) p
    left join stages s using (pipeline, service)
    group by all
    union all
    select pipeline, service, null, null, 0, 1 from undefined_pipeline
)
select
    'pipeline' as subject_kind, d.pipeline as subject_id, d.service, 'preprod' as environment,
    case
        when d.stages = 0 or d.against > 0 or r.against > 0 then 'fail'
        when d.unknown > 0 or r.unknown > 0 then 'no-evidence'
        else 'pass'
    end as result,
    case
        when d.stages = 0 then 'no-preprod-stage'
        when d.against > 0 then 'preprod-not-manual'
        when r.against > 0 then 'preprod-ran-without'
        when d.stages is null then 'no-definition'
        when d.unknown > 0 then 'preprod-stage-unknown'
        when r.unknown > 0 then 'preprod-approval-unknown'
        else 'preprod-manual'
    end as reason,
    -- null, where it is not known since when the definition is as it is
    case
        when d.stages is null or (d.stages > 0 and d.against = 0) then r.last_against
        when d.changed_at is not null then greatest(d.changed_at, r.last_against)
    end as occurred_at
from defined d
left join runs r using (pipeline, service);
