-- title: Controls
-- description: Each service against each control of the standard.
-- param: since timestamp optional  Changes and deployments from here (inclusive)
-- param: until timestamp optional  Changes and deployments up to here (exclusive)
-- param: environment text optional  Only subjects of this environment
-- param: service text optional  Only this service
with
applicable as (
    select
        s.service, c.control, c.place,
        not exists (from not_asked n where n.service = s.service and n.control = c.control and n.subject_kind is null)
            and not exists (from waiver w where w.service = s.service and w.control = c.control and w.invalid is null and w.in_force) as applies
    from config_service s cross join control c
),
judged as (
    -- pipelines and services are judged as they are, changes and deployments lie in a period
    select r.*
    from control_result r
    left join change c on r.subject_kind = 'change' and c.change_id = r.subject_id
    left join deployment d on r.subject_kind = 'deployment' and d.deployment_id = r.subject_id
    where ($since is null or coalesce(c.occurred_at, d.started_at, $since) >= $since)
      and ($until is null or coalesce(c.occurred_at, d.started_at, timestamp '0001-01-01') < $until)
),
counted as (
    select service, control,
           count(*) filter (where asked and result <> 'not-applicable') as subjects,
           count(*) filter (where asked and result = 'fail') as failures,
           count(*) filter (where asked and result = 'no-evidence') as no_evidence,
           min(subject_id) filter (where asked and result = 'fail') as failed,
           min(subject_id) filter (where asked and result = 'no-evidence') as unknown,
           -- what is asked of a pipeline's dev stage is not asked of live
           bool_or(not asked and subject_kind = 'pipeline') as of_another_environment
    from (select *, coalesce(environment in ($environment, ''), true) as asked from judged)
    group by all
)
select
    a.service, a.control,
    case
        -- what lies outside the time of a waiver is judged all the same
        when coalesce(c.subjects, 0) = 0 then case when not a.applies or c.of_another_environment then 'not-applicable' else 'no-evidence' end
        when c.failures > 0 then 'fail'
        when c.no_evidence > 0 then 'no-evidence'
        else 'pass'
    end as result,
    coalesce(c.subjects, 0) as subjects,
    coalesce(c.failures, 0) as failures,
    coalesce(c.no_evidence, 0) as no_evidence,
    coalesce(c.failed, c.unknown, '') as example
from applicable a
left join counted c using (service, control)
where $service is null or a.service = $service
order by a.service, a.place;
