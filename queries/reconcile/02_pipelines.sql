-- Pipelines as the release log has them: of each all revisions. And what a release in live is held against.

-- Stages of the latest revision, and of each revision the time from when to when it was in force.
create or replace table pipeline_stage as
with
-- told again, a definition is what was told last, without the stages that are no more; a record's name stands before `#`
told_last as (
    select v.*, case when c.connector = 'release-log' then v.unit end as file
    from stage_version v
    left join source_as_configured c using (source)
    -- what a pipeline says about itself counts only where nobody else says it
    where coalesce(c.approvals, 'claimed') = 'evidence' or v.pipeline not in (
        select e.pipeline from stage_version e join source_as_configured s using (source) where s.approvals = 'evidence'
    )
    qualify rank() over (
        partition by v.source, v.pipeline, v.revision, v.changed_at, split_part(v.record_id, '#', 1)
        order by file desc nulls last, v.batch_id desc, v.unit desc, v.position desc, v.record_id desc
    ) = 1
),
latest as (
    select * exclude (file) from told_last
    qualify row_number() over (
        partition by pipeline, coalesce(revision, ''), coalesce(changed_at, timestamp '0001-01-01'), stage
        order by file desc nulls last, batch_id desc, unit desc, position desc, record_id desc
    ) = 1
),
revisions as (
    select pipeline, revision, changed_at,
           coalesce(lead(changed_at) over (partition by pipeline order by changed_at nulls first, try_cast(revision as bigint), revision), timestamp '9999-01-01') as changed_until,
           row_number() over (partition by pipeline order by changed_at desc nulls last, try_cast(revision as bigint) desc, revision desc) = 1 as current
    from (select distinct pipeline, revision, changed_at from latest)
),
owned as (
    select l.*, r.changed_until, r.current, coalesce(named.service, by_pipeline.service, catalogue.service, l.service, '') as owner_service
    from latest l
    join revisions r on r.pipeline = l.pipeline and r.revision is not distinct from l.revision and r.changed_at is not distinct from l.changed_at
    left join service_spelling catalogue on catalogue.spelling = lower(l.service)
    left join config_pipeline named on named.pipeline = l.pipeline and named.service = catalogue.service
    left join config_pipeline by_pipeline on by_pipeline.pipeline = l.pipeline and by_pipeline.is_first
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

-- A group that may approve is its members, where the configuration says what their role is.
update pipeline_stage set approvers = (
    select list_distinct(flatten(list(coalesce(r.actors, [a.approver]))))
    from (select unnest(pipeline_stage.approvers) as approver) a
    left join group_roll r on r.name = lower(a.approver)
)
where list_has_any([lower(x) for x in approvers], (select coalesce(list(name), []) from group_roll));

-- The pre-production run that live is held against, and how they compare: of those that had succeeded by then one that ran
-- the same, for a release may go through pre-production in several stages; else the last of them, else the last at all.
create or replace table proving_run as
with compared as (
    select
        l.deployment_id as live_id, p.deployment_id, p.started_at,
        p.outcome = 'succeeded' as succeeded, p.outcome = 'succeeded' and coalesce(in_time(p.finished_at, l.started_at), false) as proven,
        -- the strongest key that either has decides
        case
            when l.artifact_digest is not null or p.artifact_digest is not null then lower(l.artifact_digest) = lower(p.artifact_digest)
            when l.commit_sha is not null or p.commit_sha is not null then same_commit(l.commit_sha, p.commit_sha)
            else l.version = p.version
        end as same,
        l.steps_digest is not null or p.steps_digest is not null as steps_known,
        lower(l.steps_digest) = lower(p.steps_digest) as same_steps
    from deployment l
    join deployment p on p.service = l.service and p.release_id = l.release_id and p.environment = 'preprod' and p.ran
    where l.environment = 'live' and l.ran
)
select live_id, deployment_id, same, steps_known, same_steps
from compared
qualify row_number() over (
    partition by live_id
    order by proven desc, proven and coalesce(same and (same_steps or not steps_known), false) desc, succeeded desc, started_at desc, deployment_id
) = 1;

-- Live deployments before which their pipeline was defined anew since that run: another revision was in force.
create or replace table redefinition as
with revision as (
    select distinct pipeline, revision, coalesce(changed_at, timestamp '0001-01-01') as changed_at, changed_until from pipeline_stage
)
select l.deployment_id, v.changed_at
from proving_run r
join deployment l on l.deployment_id = r.live_id
join deployment p on p.deployment_id = r.deployment_id and p.pipeline = l.pipeline
join revision v on v.pipeline = l.pipeline and l.started_at >= v.changed_at and l.started_at < v.changed_until
join revision o on o.pipeline = p.pipeline and p.started_at >= o.changed_at and p.started_at < o.changed_until
where o.changed_at <> v.changed_at or o.revision is distinct from v.revision;

-- Pipelines that have deployed to live, and of which no definition is recorded: nothing shows how they are set up.
create or replace table undefined_pipeline as
select distinct pipeline, service
from deployment d
where environment = 'live' and ran and service <> '' and not exists (from pipeline_stage p where p.pipeline = d.pipeline);
