-- The release log as it stands: of each deployment the latest version, of each pipeline all revisions.

-- The service of a record: the catalogue's, by pipeline, else as recorded. The environment: by the service's stage map,
-- else as recorded, else by the usual stage names.
create or replace table deployment as
with
latest as (
    select *
    from deployment_version
    qualify row_number() over (
        partition by deployment_id order by recorded_at desc nulls last, unit desc, position desc, record_id desc
    ) = 1
),
owned as (
    select l.*, coalesce(by_pipeline.service, l.service, '') as owner_service
    from latest l
    left join config_pipeline by_pipeline on by_pipeline.pipeline = l.pipeline
),
placed as (
    select o.*, coalesce(mapped.environment, named.environment, usual.environment, '') as kind
    from owned o
    left join stage_names named on named.stage = lower(replace(replace(o.environment, '-', ''), '_', ''))
    left join config_stage mapped on mapped.service = o.owner_service and mapped.stage = lower(replace(replace(o.stage, '-', ''), '_', ''))
    left join stage_names usual on usual.stage = lower(replace(replace(o.stage, '-', ''), '_', ''))
)
select
    p.deployment_id,
    p.source,
    p.record_id,
    coalesce(p.release_id, p.deployment_id) as release_id,
    p.pipeline,
    p.owner_service as service,
    p.version, p.commit_sha, p.artifact_digest, p.steps_digest,
    p.stage,
    p.kind as environment,
    p.trigger,
    p.requested_by,
    person.person_id as requester_id,
    p.started_at, p.finished_at, p.outcome,
    coalesce(p.bypassed, false) as bypassed,
    p.approvals,
    -- what is pushed is what a pipeline says about itself
    coalesce(s.approvals, 'claimed') = 'evidence' as approvals_count,
    list_transform(p.run_ids, lambda x: lower(x)) as run_ids,
    list_transform(p.session_names, lambda x: lower(x)) as session_names,
    list_transform(p.correlation_ids, lambda x: lower(x)) as correlation_ids,
    list_transform(p.app_ids, lambda x: lower(x)) as app_ids,
    list_transform(p.roles, lambda x: role_key(x)) as roles,
    list_transform(p.subjects, lambda x: lower(x)) as subjects,
    p.url,
    -- it ran if it started and was not rejected; only then it explains anything
    p.started_at is not null and p.outcome <> 'rejected' as ran,
    p.started_at - c.skew as window_start,
    case
        when p.finished_at is not null then greatest(p.finished_at, p.started_at) + c.skew
        else p.started_at + c.max_running + c.skew
    end as window_end,
    p.started_at is not null and p.finished_at is null and p.started_at + c.max_running < run.now as closed_by_limit
from placed p
cross join config_standard c
cross join run
left join config_source s on s.name = p.source
left join config_identity person on person.identity = lower(p.requested_by);

-- One row for each decision on a deployment, with who decided and in what role at that time.
create or replace table approval as
with
decided as (
    select deployment_id, service, started_at, requested_by, requester_id, approvals_count, unnest(approvals) as a, generate_subscripts(approvals, 1) as position
    from deployment
)
select
    d.deployment_id,
    d.position,
    d.a.phase as phase,
    lower(d.a.decision) as decision,
    d.a.approver as approver,
    coalesce(person.actor, lower(d.a.approver)) as approver_actor,
    person.person_id as approver_id,
    d.a.decided_at as decided_at,
    coalesce(d.a.automated, false) as automated,
    coalesce(d.a.gated, false) as gated,
    d.a.comment as comment,
    d.approvals_count as counts,
    -- without a time it counts as before the start only where the platform itself held the stage
    case when d.a.decided_at is null then coalesce(d.a.gated, false) else d.a.decided_at <= d.started_at end as in_time,
    coalesce(person.person_id = d.requester_id, lower(d.a.approver) = lower(d.requested_by), false) as by_requester,
    (
        select min(r.role) from config_role r
        where r.person_id = person.person_id
          and (r.services is null or list_contains(r.services, d.service))
          and coalesce(d.a.decided_at, d.started_at) >= r.valid_from and coalesce(d.a.decided_at, d.started_at) < r.valid_to
    ) as approver_role
from decided d
left join config_identity person on person.identity = lower(d.a.approver);

-- Authorisation facts that a later version of a record tells otherwise, after the start: who asked, who approved, whether
-- the gate was bypassed. An approval that was given since the version before, and in time, is no such change.
create or replace table authorisation_change as
with
version as (
    select
        deployment_id, recorded_at, started_at, requested_by, coalesce(bypassed, false) as bypassed, approvals,
        [concat_ws('|', lower(a.approver), lower(a.decision), a.decided_at::varchar, a.automated::varchar) for a in approvals] as said
    from deployment_version
    qualify row_number() over (partition by deployment_id, raw_hash order by recorded_at, unit, position) = 1
),
followed as (
    select
        *,
        lag(recorded_at) over w as before_at, lag(requested_by) over w as before_requested_by, lag(bypassed) over w as before_bypassed,
        lag(said) over w as before_said
    from version
    window w as (partition by deployment_id order by recorded_at nulls first)
)
select distinct deployment_id
from followed
where recorded_at > started_at
  and before_bypassed is not null
  and (
      bypassed <> before_bypassed
      or lower(requested_by) <> lower(before_requested_by)
      or not list_has_all(said, before_said)
      or len(list_filter(approvals, lambda a:
          not list_contains(before_said, concat_ws('|', lower(a.approver), lower(a.decision), a.decided_at::varchar, a.automated::varchar))
          and not coalesce(a.decided_at > before_at and a.decided_at <= started_at, false)
      )) > 0
  );

-- Stages of the latest revision, and of each revision the time from when to when it was in force.
create or replace table pipeline_stage as
with
latest as (
    select * from stage_version
    qualify row_number() over (
        partition by pipeline, coalesce(revision, ''), coalesce(changed_at, timestamp '0001-01-01'), stage
        order by unit desc, position desc, record_id desc
    ) = 1
),
revisions as (
    select pipeline, revision, changed_at,
           coalesce(lead(changed_at) over (partition by pipeline order by changed_at nulls first, try_cast(revision as bigint), revision), timestamp '9999-01-01') as changed_until,
           row_number() over (partition by pipeline order by changed_at desc nulls last, try_cast(revision as bigint) desc, revision desc) = 1 as current
    from (select distinct pipeline, revision, changed_at from latest)
),
owned as (
    select l.*, r.changed_until, r.current, coalesce(by_pipeline.service, l.service, '') as owner_service
    from latest l
    join revisions r on r.pipeline = l.pipeline and r.revision is not distinct from l.revision and r.changed_at is not distinct from l.changed_at
    left join config_pipeline by_pipeline on by_pipeline.pipeline = l.pipeline
)
select
    o.pipeline, o.owner_service as service, o.revision, o.current, o.changed_by,
    o.changed_at, o.changed_until, o.stage, o.stage_order,
    coalesce(mapped.environment, named.environment, usual.environment, '') as environment,
    o.trigger, o.approvals_required, o.approvers, o.requester_can_approve, o.can_bypass
from owned o
left join stage_names named on named.stage = lower(replace(replace(o.environment, '-', ''), '_', ''))
left join config_stage mapped on mapped.service = o.owner_service and mapped.stage = lower(replace(replace(o.stage, '-', ''), '_', ''))
left join stage_names usual on usual.stage = lower(replace(replace(o.stage, '-', ''), '_', ''));
