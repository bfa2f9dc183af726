-- title: Releases
-- description: Every live deployment in the release log, who asked for it and approved it, and how it stands against the controls.
-- table: deployment_id, started_at, outcome, requested_by, approved_by, changes, two_stage_authorisation, prod_approval, proven_in_preprod, repeatable
-- param: since timestamp optional  Started from here (inclusive); what never started: ended, decided on or first told of
-- param: until timestamp optional  Started up to here (exclusive)
-- param: environment text optional  Only this environment (all are of live)
-- param: service text optional  Only this service
with
signed as (
    -- the sign-off that counts, else the first approval given
    select deployment_id, approver_actor as approved_by, decided_at as approved_at
    from approval where decision = 'approved'
    qualify row_number() over (partition by deployment_id order by valid desc, position) = 1
),
-- what never started lies where it ended, was decided on or first told of, and what has no time at all in every period
timed as (
    select d.deployment_id, coalesce(any_value(d.started_at), any_value(d.finished_at), max(a.decided_at), any_value(d.first_recorded_at)) as happened_at
    from deployment d
    left join approval a using (deployment_id)
    where d.environment = 'live'
    group by d.deployment_id
),
linked as (select deployment_id, count(*) as changes from change where deployment_id <> '' group by deployment_id),
results as (
    select subject_id as deployment_id,
           any_value(result) filter (where control = 'repeatable') as repeatable,
           any_value(result) filter (where control = 'proven-in-preprod') as proven_in_preprod,
           any_value(result) filter (where control = 'two-stage-authorisation') as two_stage_authorisation,
           any_value(result) filter (where control = 'prod-approval') as prod_approval,
           string_agg(control, ';' order by place) filter (where result in ('fail', 'no-evidence')) as failed_controls
    from control_result join control using (control) where subject_kind = 'deployment' group by subject_id
)
select
    d.deployment_id, d.release_id, d.pipeline, d.service, d.version, d.commit_sha as commit, d.started_at, d.finished_at, d.outcome, d.requested_by,
    coalesce(s.approved_by, '') as approved_by, s.approved_at, coalesce(l.changes, 0) as changes,
    coalesce(r.repeatable, 'not-applicable') as repeatable,
    coalesce(r.proven_in_preprod, 'not-applicable') as proven_in_preprod,
    coalesce(r.two_stage_authorisation, 'not-applicable') as two_stage_authorisation,
    coalesce(r.prod_approval, 'not-applicable') as prod_approval,
    coalesce(r.failed_controls, '') as failed_controls
from deployment d
join timed t using (deployment_id)
left join signed s using (deployment_id)
left join linked l using (deployment_id)
left join results r using (deployment_id)
where d.environment = 'live'
  and ($since is null or coalesce(t.happened_at, $since) >= $since)
  and ($until is null or coalesce(t.happened_at, timestamp '0001-01-01') < $until)
  and ($environment is null or d.environment = $environment)
  and ($service is null or d.service = $service)
order by t.happened_at, d.deployment_id;
