-- Pipelines as the release log has them: of each all revisions. And what a release in live is held against.

-- Services of a pipeline: those that name it, and those that it released.
create or replace temporary table pipeline_service as
select pipeline, service from config_pipeline
union
select pipeline, service from deployment where service <> '';

-- Stages of each revision, and the time in which it was in force. Which of several is later says the time at which it was
-- changed; one without a time came after all that was told before it. Of the same time, or of none, the higher number is the
-- later, where all are whole numbers, else what was told last: of `1.9` and `1.10`, or of two commits, the text tells nothing.
create or replace table pipeline_stage as
with
spoken as (
    -- a definition speaks for the service that it names, else for each of its pipeline
    select
        v.* exclude (service) replace (spelling.pipeline as pipeline), coalesce(c.approvals = 'evidence', false) as evidence,
        case when c.connector = 'release-log' then v.unit end as file,
        coalesce(named.service, case when by_pipeline.pipeline is null then coalesce(catalogue.service, nullif(v.service, '')) end) as own_service
    from stage_version v
    join pipeline_spelling spelling on spelling.folded = lower(v.pipeline)
    left join source_as_configured c using (source)
    left join service_spelling catalogue on catalogue.spelling = lower(v.service)
    left join config_pipeline named on named.pipeline = spelling.pipeline and named.service = catalogue.service
    left join config_pipeline by_pipeline on by_pipeline.pipeline = spelling.pipeline and by_pipeline.is_first
),
owned as (
    select s.* exclude (own_service), coalesce(s.own_service, p.service, '') as service
    from spoken s
    left join pipeline_service p on p.pipeline = s.pipeline and s.own_service is null
),
vouched as (
    select
        *, bool_or(evidence) over (partition by pipeline, service) as vouched,
        -- a release log's files are read as if they were one, by path
        dense_rank() over (partition by pipeline, service order by file nulls first, batch_id nulls first, unit, position, record_id) as told
    from owned
),
-- told again, a definition is what was told last, without the stages that are no more; a record's name stands before `#`
told_last as (
    from vouched
    -- what a pipeline says about itself counts only where nobody else says it
    where evidence = vouched
    qualify rank() over (
        partition by source, pipeline, service, revision, changed_at, lower(split_part(record_id, '#', 1)) order by told desc
    ) = 1
),
latest as (
    from told_last
    qualify row_number() over (
        partition by pipeline, service, coalesce(revision, ''), coalesce(changed_at, timestamp '0001-01-01'), stage order by told desc
    ) = 1
),
numbered as (
    select
        pipeline, service, revision, changed_at, max(told) as told,
        case when bool_and(coalesce(regexp_full_match(revision, '\d{1,18}'), false)) over (partition by pipeline, service) then try_cast(revision as bigint) end as number
    from latest
    group by pipeline, service, revision, changed_at
),
placed as (
    select *, row_number() over (partition by pipeline, service order by number, told, changed_at nulls first, revision) as place from numbered
),
dated as (
    select
        *,
        coalesce(
            changed_at, max(changed_at) over (partition by pipeline, service order by place rows between unbounded preceding and current row),
            timestamp '0001-01-01'
        ) as valid_from
    from placed
),
revisions as (
    -- at any moment one is in force; of those between which there is no time the last
    select
        *,
        coalesce(lead(valid_from) over (partition by pipeline, service order by valid_from, place), timestamp '9999-01-01') as valid_to,
        row_number() over (partition by pipeline, service order by valid_from desc, place desc) = 1 as current
    from dated
)
select
    l.pipeline, l.service, l.revision, r.current, l.changed_by,
    l.changed_at, r.valid_from, r.valid_to, l.stage, l.stage_order,
    coalesce(mapped.environment, named.environment, usual.environment, '') as environment,
    l.trigger, l.approvals_required, l.approvers, l.requester_can_approve, l.can_bypass
from latest l
join revisions r
  on r.pipeline = l.pipeline and r.service = l.service and r.revision is not distinct from l.revision and r.changed_at is not distinct from l.changed_at
left join stage_names named on named.stage = lower(replace(replace(l.environment, '-', ''), '_', ''))
left join config_stage mapped on mapped.service = l.service and mapped.stage = lower(replace(replace(l.stage, '-', ''), '_', ''))
left join stage_names usual on usual.stage = lower(replace(replace(l.stage, '-', ''), '_', ''));

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
    join deployment p on p.service = l.service and p.release_key = l.release_key and p.environment = 'preprod' and p.ran
    where l.environment = 'live' and l.ran
)
select live_id, deployment_id, same, steps_known, same_steps
from compared
qualify row_number() over (
    partition by live_id
    order by proven desc, proven and coalesce(same and (same_steps or not steps_known), false) desc, succeeded desc, started_at desc, deployment_id
) = 1;

-- Live deployments before which their pipeline was defined anew since that run: another revision was in force. That a revision
-- has a time now which it had not proves no change.
create or replace table redefinition as
with revision as (
    select distinct pipeline, service, revision, changed_at, valid_from, valid_to from pipeline_stage where valid_from < valid_to
)
select l.deployment_id, v.valid_from as changed_at
from proving_run r
join deployment l on l.deployment_id = r.live_id
join deployment p on p.deployment_id = r.deployment_id and p.pipeline = l.pipeline
join revision v on v.pipeline = l.pipeline and v.service = l.service and l.started_at >= v.valid_from and l.started_at < v.valid_to
join revision o on o.pipeline = p.pipeline and o.service = p.service and p.started_at >= o.valid_from and p.started_at < o.valid_to
where o.valid_from <> v.valid_from and not coalesce(o.changed_at is null and o.revision = v.revision, false);

-- Services that a pipeline has released to live, and for which no definition of it is recorded: nothing shows how it is set up.
create or replace table undefined_pipeline as
select distinct pipeline, service
from deployment
anti join pipeline_stage using (pipeline, service)
where environment = 'live' and ran and service <> '';
