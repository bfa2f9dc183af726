-- title: Controls
-- description: Each service against each control of the standard.
-- param: service text optional  Only this service
with
control as (
    select unnest(['repeatable', 'proven-in-preprod', 'automated', 'recorded', 'two-stage-authorisation', 'dev-auto', 'preprod-manual', 'prod-approval', 'third-party']) as control
),
applicable as (
    select
        s.service, c.control,
        case
            when exists (from waiver w where w.service = s.service and w.control = c.control and w.invalid is null and w.in_force) then false
            when s.type = 'third-party' then c.control in ('recorded', 'automated', 'two-stage-authorisation', 'third-party')
                or exists (from deployment d where d.service = s.service and d.environment = 'preprod' and c.control in ('repeatable', 'proven-in-preprod'))
                or exists (from pipeline_stage p where p.service = s.service and c.control in ('dev-auto', 'preprod-manual', 'prod-approval'))
            when s.type = 'static-app' then c.control not in ('dev-auto', 'preprod-manual', 'third-party')
            else c.control <> 'third-party'
        end as applies
    from config_service s cross join control c
),
counted as (
    select service, control,
           count(*) filter (where result <> 'not-applicable') as subjects,
           count(*) filter (where result = 'fail') as failures,
           count(*) filter (where result = 'no-evidence') as no_evidence,
           min(subject_id) filter (where result = 'fail') as failed,
           min(subject_id) filter (where result = 'no-evidence') as unknown
    from control_result
    group by all
)
select
    a.service, a.control,
    case
        when not a.applies then 'not-applicable'
        when coalesce(c.subjects, 0) = 0 then 'no-evidence'
        when c.failures > 0 then 'fail'
        when c.no_evidence > 0 then 'no-evidence'
        else 'pass'
    end as result,
    case when a.applies then coalesce(c.subjects, 0) else 0 end as subjects,
    case when a.applies then coalesce(c.failures, 0) else 0 end as failures,
    case when a.applies then coalesce(c.no_evidence, 0) else 0 end as no_evidence,
    case when a.applies then coalesce(c.failed, c.unknown, '') else '' end as example
from applicable a
left join counted c using (service, control)
where $service is null or a.service = $service
order by a.service, list_position(['repeatable', 'proven-in-preprod', 'automated', 'recorded', 'two-stage-authorisation', 'dev-auto', 'preprod-manual', 'prod-approval', 'third-party'], a.control);
