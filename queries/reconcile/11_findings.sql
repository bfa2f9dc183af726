-- Findings: what failed, with a stable id and a life of its own. Seen again it stays the same finding; gone, it is resolved.

create or replace temporary table lower_severity as
select * from (values ('high', 'medium'), ('medium', 'low'), ('low', 'low')) as t(severity, lower);

create or replace temporary table found as
with
unlinked as (
    -- one for each case: what a person looks at as one thing
    select
        case when bool_or(verdict = 'manual') then 'automated' else 'recorded' end as control,
        'high' as severity,
        'case' as subject_kind,
        case_id as subject_id,
        any_value(service order by service) as service, any_value(environment order by environment) as environment,
        any_value(actor order by occurred_at, change_id) as actor,
        count(*) || case when count(*) = 1 then ' change' else ' changes' end || ' (' || string_agg(distinct verdict || ': ' || reason, ', ' order by verdict || ': ' || reason) || ') by '
            || any_value(case when actor = '' then 'nobody named' else actor end order by occurred_at, change_id)
            || ', first ' || arg_min(action, (occurred_at, change_id)) || ' at ' || strftime(min(occurred_at), '%Y-%m-%dT%H:%M:%SZ') as summary,
        bool_and(state = 'provisional') as provisional,
        null::varchar as exemption_id
    from change
    where verdict in ('manual', 'unrecorded', 'unattributed')
    group by case_id, service, environment
),
failed as (
    select control, subject_id, service, environment, result, reason
    from control_result
    where subject_kind = 'deployment' and result in ('fail', 'no-evidence')
    union all
    -- the verdict goes by the latest record; that it says otherwise than before is told all the same
    select 'two-stage-authorisation', d.deployment_id, d.service, d.environment, 'fail', 'changed-after-the-start'
    from authorisation_change
    join deployment d using (deployment_id)
    where d.environment = 'live' and d.ran
),
deployments as (
    select
        arg_min(r.control, (r.result = 'no-evidence', list_position(['two-stage-authorisation', 'prod-approval', 'proven-in-preprod', 'repeatable'], r.control))) as control,
        case when bool_or(r.control in ('two-stage-authorisation', 'prod-approval')) then 'high' else 'medium' end as severity,
        'deployment' as subject_kind, r.subject_id, any_value(r.service) as service, any_value(r.environment) as environment,
        lower(coalesce(any_value(d.requested_by), '')) as actor,
        'release ' || any_value(d.release_id) || ' of ' || any_value(d.pipeline) || ': ' || string_agg(r.control || ' ' || r.result || ' (' || r.reason || ')', ', ' order by r.control) as summary,
        false as provisional,
        (
            select min(x.exemption_id) from exemption x
            where x.invalid is null and list_contains(x.deployments, r.subject_id)
              and (len(x.controls) = 0 or list_has_all(x.controls, list(r.control)))
        ) as exemption_id
    from failed r
    join deployment d on d.deployment_id = r.subject_id
    group by r.subject_id
),
pipelines as (
    select control, 'medium' as severity, subject_kind, subject_id, service, environment, '' as actor,
           'pipeline ' || subject_id || ': ' || reason as summary, false as provisional, null::varchar as exemption_id
    from control_result
    where subject_kind = 'pipeline' and result = 'fail'
),
open_windows as (
    select 'recorded' as control, 'medium' as severity, 'deployment' as subject_kind, deployment_id as subject_id, service, environment,
           lower(coalesce(requested_by, '')) as actor,
           'deployment ' || deployment_id || ' has no recorded end; its window was closed by max_running' as summary, false as provisional,
           null::varchar as exemption_id
    from deployment where closed_by_limit and environment = 'live' and ran
),
ends_not_seen as (
    select 'end-not-seen' as control, 'low' as severity, 'operation' as subject_kind, e.change_id as subject_id, s.service, s.environment,
           lower(coalesce(a.actor, '')) as actor,
           'operation ' || e.action || ' on ' || e.resource || ' began at ' || strftime(e.occurred_at, '%Y-%m-%dT%H:%M:%SZ') || ', and its end was not seen in 24 hours' as summary,
           false as provisional, null::varchar as exemption_id
    from pending_event e
    join actor a using (appearance_id)
    join change_scope s using (change_id)
    cross join run
    where e.occurred_at + interval 24 hours <= run.now
),
exemptions as (
    select 'exemption' as control, 'medium' as severity, 'exemption' as subject_kind, exemption_id as subject_id, coalesce(service, '') as service,
           coalesce(environment, '') as environment, requester_actor as actor, 'exemption ' || exemption_id || ' is ignored: ' || invalid as summary,
           false as provisional, null::varchar as exemption_id
    from exemption where invalid is not null
    union all
    select 'waiver', 'medium', 'waiver', service || '/' || control, service, '', coalesce(lower(requested_by), ''),
           'waiver of ' || control || ' for ' || service || ' is ignored: ' || invalid, false, null
    from waiver where invalid is not null
),
every as (
    from unlinked union all by name from deployments union all by name from pipelines union all by name from open_windows union all by name from ends_not_seen union all by name from exemptions
)
select
    left(sha256(concat_ws(chr(31), e.control, e.subject_kind, e.subject_id, case when e.subject_kind = 'case' then e.service || '/' || e.environment else '' end)), 20) as finding_id,
    e.control,
    -- one step lower outside live; a place that no scope knows counts as live; what is not settled accuses nobody yet
    case
        when e.provisional then case when e.environment in ('live', '') then 'medium' else 'low' end
        when e.environment in ('live', '') or e.subject_kind not in ('case', 'deployment') then e.severity
        else l.lower
    end as severity,
    e.subject_kind, e.subject_id, coalesce(e.service, '') as service, coalesce(e.environment, '') as environment, coalesce(e.actor, '') as actor,
    e.summary, e.exemption_id
from every e
left join lower_severity l on l.severity = e.severity;

update finding set status = 'resolved', last_seen = finding.last_seen
where status <> 'resolved' and finding_id not in (select finding_id from found);

update finding
set severity = f.severity, service = f.service, environment = f.environment, actor = f.actor, summary = f.summary,
    last_seen = run.now,
    opened_at = case when finding.status = 'resolved' or (finding.status = 'exempted' and f.exemption_id is null)
                       or (finding.severity <> f.severity and f.severity = 'high') then run.now else finding.opened_at end,
    status = case when f.exemption_id is null then 'open' else 'exempted' end,
    exemption_id = f.exemption_id
from found f, run
where finding.finding_id = f.finding_id;

insert into finding
select f.finding_id, f.control, f.severity, f.subject_kind, f.subject_id, f.service, f.environment, f.actor, f.summary,
       run.now, run.now, case when f.exemption_id is null then 'open' else 'exempted' end, f.exemption_id, run.now
from found f
cross join run
where f.finding_id not in (select finding_id from finding);
