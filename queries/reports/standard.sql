-- title: The standard, sentence by sentence
-- description: Every sentence of the release standard: the controls that check it and what came of them, or why none can.
-- table: section, control, result, failures, no_evidence, text, not_checked
-- param: since timestamp optional  Changes and deployments from here (inclusive)
-- param: until timestamp optional  Changes and deployments up to here (exclusive)
-- param: environment text optional  Only subjects of this environment
-- param: service text optional  Only this service
with
asked as (
    select r.place, r.section, r.text, r.not_checked, r.service, unnest(case when len(r.controls) > 0 then r.controls else [null] end) as control
    from requirement r
),
judged as (
    -- as in report controls: what the standard or a waiver leaves out is not-applicable already
    select r.*, coalesce(r.environment in ($environment, ''), true) as asked
    from control_result r
    left join change c on r.subject_kind = 'change' and c.change_id = r.subject_id
    left join deployment d on r.subject_kind = 'deployment' and d.deployment_id = r.subject_id
    where ($since is null or coalesce(c.occurred_at, d.started_at, $since) >= $since)
      and ($until is null or coalesce(c.occurred_at, d.started_at, timestamp '0001-01-01') < $until)
      and ($service is null or r.service = $service)
),
counted as (
    select
        a.place, a.control,
        count(*) filter (where j.asked and j.result <> 'not-applicable') as subjects,
        count(*) filter (where j.asked and j.result = 'fail') as failures,
        count(*) filter (where j.asked and j.result = 'no-evidence') as no_evidence,
        min(j.subject_id) filter (where j.asked and j.result = 'fail') as failed,
        min(j.subject_id) filter (where j.asked and j.result = 'no-evidence') as unknown,
        -- what is asked of a pipeline's dev stage is not asked of live
        bool_or(not j.asked and j.subject_kind = 'pipeline') as of_another_environment,
        -- a service of which it is asked, and that shows nothing
        (
            select count(*) from config_service s
            where (a.service is null or lower(s.service) = lower(a.service))
              and ($service is null or s.service = $service)
              and not exists (from not_asked n where n.service = s.service and n.control = a.control and n.subject_kind is null)
              and not exists (from waiver w where w.service = s.service and w.control = a.control and w.invalid is null and w.in_force)
        ) as services
    from asked a
    left join judged j on j.control = a.control and (a.service is null or lower(j.service) = lower(a.service))
    where a.control is not null
    group by a.place, a.control, a.service
)
select
    a.place as number, st.standard, a.section, a.text, coalesce(a.control, '') as control,
    case
        when a.control is null then 'not-checked'
        when c.failures > 0 then 'fail'
        -- what lies outside the time of a waiver is judged all the same
        when c.subjects = 0 and (c.services = 0 or c.of_another_environment) then 'not-applicable'
        when c.subjects = 0 or c.no_evidence > 0 then 'no-evidence'
        else 'pass'
    end as result,
    coalesce(c.subjects, 0) as subjects, coalesce(c.failures, 0) as failures, coalesce(c.no_evidence, 0) as no_evidence,
    coalesce(c.failed, c.unknown, '') as example,
    coalesce(a.not_checked, '') as not_checked,
    coalesce(array_to_string(k."references", ';'), '') as "references"
from asked a
cross join standard st
left join counted c on c.place = a.place and c.control = a.control
left join control k on k.control = a.control
order by a.place, k.place;
