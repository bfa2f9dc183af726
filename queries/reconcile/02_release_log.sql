-- The release log as it stands: of each deployment the latest version, with the decisions that were told of it wherever
-- they were told; of each pipeline all revisions.

-- Where the content belongs that a release names: a ticket knows its items, not our services. The scope that says most,
-- then the first, as for changes; items in several places leave the release without one.
create or replace temporary table item_scope as
with
item as (
    select distinct deployment_id, item, lower(split_part(item, ':', 1)) as system, regexp_replace(item, '^[^:]*:', '') as object
    from (select deployment_id, unnest(items) as item from deployment_version)
),
fitting as (
    select
        i.deployment_id, i.item,
        arg_max((s.service, s.environment), ((s.sources is not null)::int + (s.objects is not null)::int, -s.position)) as place
    from item i
    join config_scope s
      on coalesce(s.sources, s.objects) is not null
     and coalesce(s.aws_accounts, s.aws_regions, s.resources, s.azure_subscriptions, s.azure_resource_groups) is null
     and (s.sources is null or exists (from config_source c where c.connector = i.system and list_contains(s.sources, c.name)))
     and (s.objects is null or len(list_filter(s.objects, lambda g: i.object glob g or regexp_replace(i.object, '@[^@]*$', '') glob g)) > 0)
    group by all
)
select deployment_id, any_value(place[1]) as service, any_value(place[2]) as environment
from fitting
group by deployment_id
having count(distinct place) = 1;

-- A service as records may write it, by its name in the catalogue.
create or replace temporary table service_spelling as
select lower(service) as spelling, min(service) as service from config_service group by lower(service);

-- The service of a record: the catalogue's, by pipeline, else as recorded, else that of the content it names. The
-- environment: by the service's stage map, else as recorded, else that of the content, else by the usual stage names.
create or replace table deployment as
with
latest as (
    -- a source that the configuration still names knows its approvals' worth: it comes before one that has another name now
    select v.*
    from deployment_version v
    left join config_source c on c.name = v.source
    qualify row_number() over (
        partition by v.deployment_id order by v.recorded_at desc nulls last, c.name is not null desc, v.unit desc, v.position desc, v.record_id desc
    ) = 1
),
owned as (
    select l.*, coalesce(named.service, by_pipeline.service, catalogue.service, nullif(l.service, ''), items.service, '') as owner_service, items.environment as items_environment
    from latest l
    left join service_spelling catalogue on catalogue.spelling = lower(l.service)
    left join config_pipeline named on named.pipeline = l.pipeline and named.service = catalogue.service
    left join config_pipeline by_pipeline on by_pipeline.pipeline = l.pipeline and by_pipeline.is_first
    left join item_scope items using (deployment_id)
),
first as (
    -- when it was first told: what is pushed, by the clock of the store
    select deployment_id, min(case when source = 'record' then make_utc(unit) else recorded_at end) as first_recorded_at
    from deployment_version group by deployment_id
),
placed as (
    select o.*, f.first_recorded_at, coalesce(mapped.environment, named.environment, o.items_environment, usual.environment, '') as kind
    from owned o
    join first f using (deployment_id)
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
    [lower(x) for x in coalesce(p.authors, [])] as authors,
    [lower(x) for x in coalesce(p.tickets, [])] as tickets,
    list_transform(p.run_ids, lambda x: lower(x)) as run_ids,
    list_transform(p.session_names, lambda x: lower(x)) as session_names,
    list_transform(p.correlation_ids, lambda x: lower(x)) as correlation_ids,
    list_transform(p.app_ids, lambda x: lower(x)) as app_ids,
    list_transform(p.roles, lambda x: role_key(x)) as roles,
    list_transform(p.subjects, lambda x: lower(x)) as subjects,
    list_transform(p.items, lambda x: lower(x)) as items,
    p.url,
    -- it ran if it started and was not rejected; only then it explains anything
    p.started_at is not null and p.outcome <> 'rejected' as ran,
    p.started_at - c.skew as window_start,
    case
        when p.finished_at is not null then greatest(p.finished_at, p.started_at) + c.skew
        else p.started_at + c.max_running + c.skew
    end as window_end,
    p.started_at is not null and p.finished_at is null and p.started_at + c.max_running < run.now as closed_by_limit,
    p.first_recorded_at,
    coalesce(p.first_recorded_at > p.finished_at + c.skew, false) as recorded_late
from placed p
cross join config_standard c
cross join run
left join config_identity person on person.identity = lower(p.requested_by);

-- What a decision that was told apart may find its deployment by.
create or replace temporary view deployment_key as
select deployment_id, 'deployment' as kind, deployment_id as value from deployment
union all
select deployment_id, 'run', unnest(list_distinct(run_ids)) from deployment
union all
select deployment_id, 'release', release_id from deployment
union all
select deployment_id, 'ticket', unnest(list_distinct(tickets)) from deployment
union all
select deployment_id, 'commit', lower(commit_sha) from deployment where commit_sha is not null
union all
select deployment_id, 'url', url from deployment where url is not null;

-- Decisions told apart, with the deployments that they are about: found by one key, and every other key fits.
create or replace temporary table told_apart as
with keyed as (
    select
        *,
        case
            when deployment_id is not null then 'deployment' when run_id is not null then 'run' when release_id is not null then 'release'
            when ticket is not null then 'ticket' when commit_sha is not null then 'commit' else 'url'
        end as kind,
        coalesce(deployment_id, lower(run_id), release_id, lower(ticket), lower(commit_sha), url) as value
    from approval_version
)
select d.deployment_id, a.* exclude (deployment_id, kind, value)
from keyed a
join deployment_key k using (kind, value)
join deployment d on d.deployment_id = k.deployment_id
where coalesce(lower(a.release_id) = lower(d.release_id), true)
  and coalesce(a.pipeline = d.pipeline, true)
  and coalesce(lower(a.stage) = lower(d.stage), true)
  and coalesce(list_contains(d.run_ids, lower(a.run_id)), true)
  and coalesce(list_contains(d.tickets, lower(a.ticket)), true)
  and (a.commit_sha is null or coalesce(lower(a.commit_sha) = lower(d.commit_sha), false))
  and (a.url is null or coalesce(a.url = d.url, false))
  and (a.valid_from is null or coalesce(d.started_at >= a.valid_from, false))
  and (a.valid_to is null or coalesce(d.started_at < a.valid_to, false));

-- A deployment whose approvals its own record leaves out is known to have what was told elsewhere; a review of code does
-- not tell what the gate of the stage says.
update deployment set approvals = []
where approvals is null and deployment_id in (select deployment_id from told_apart where phase is distinct from 'review');

-- One row for each decision on a deployment, with who decided and in what role at that time.
create or replace table approval as
with
embedded as (
    select deployment_id, source, unnest(approvals) as a, generate_subscripts(approvals, 1) as position
    from deployment
),
told as (
    select deployment_id, source, position, a.phase as phase, a.decision as decision, a.approver as approver, a.decided_at as decided_at,
           a.automated as automated, a.gated as gated, a.comment as comment, null as for_commit
    from embedded
    union all by name
    select deployment_id, source, 1000 + row_number() over (partition by deployment_id order by decided_at nulls last, source, record_id) as position,
           phase, decision, approver, decided_at, automated, gated, comment, for_commit
    from told_apart
),
decided as (
    select
        t.* replace (lower(t.decision) as decision, coalesce(t.automated, false) as automated, coalesce(t.gated, false) as gated),
        d.service, d.started_at,
        coalesce(person.actor, lower(t.approver)) as approver_actor,
        person.person_id as approver_id,
        -- what is pushed is what a pipeline says about itself
        coalesce(s.approvals, 'claimed') = 'evidence' as counts,
        -- without a time it counts as before the start only where the platform itself held the stage until it was given; what
        -- is given after a deployment holds nothing
        case when t.decided_at is null then coalesce(t.gated, false) and t.phase is distinct from 'post' else coalesce(in_time(t.decided_at, d.started_at), false) end as in_time,
        coalesce(person.person_id = d.requester_id, lower(t.approver) = lower(d.requested_by), false) as by_requester,
        list_contains(d.authors, lower(t.approver))
            or exists (from config_identity i where i.person_id = person.person_id and list_contains(d.authors, i.identity)) as by_author,
        -- given for another commit than the one deployed
        coalesce(not same_commit(t.for_commit, d.commit_sha), false) as stale,
        -- who says no after having said yes, before the start, has not signed off
        coalesce('person ' || person.person_id, lower(t.approver)) as decider
    from told t
    join deployment d using (deployment_id)
    left join config_source s on s.name = t.source
    left join config_identity person on person.identity = lower(t.approver)
),
refused as (
    select deployment_id, decider, coalesce(phase, 'pre') as phase, position, decided_at
    from decided where decision = 'rejected' and in_time
),
taken_back as (
    select distinct d.deployment_id, d.position
    from decided d
    join refused r on r.deployment_id = d.deployment_id and r.decider = d.decider and r.phase = coalesce(d.phase, 'pre')
    where d.decision = 'approved' and coalesce(r.decided_at > d.decided_at, r.position > d.position)
),
ranked as (
    select
        d.*,
        (d.deployment_id, d.position) in (from taken_back) as taken_back,
        (
            select min(r.role) from config_role r
            where r.person_id = d.approver_id
              and (r.services is null or list_contains(r.services, d.service))
              and coalesce(d.decided_at, d.started_at) >= r.valid_from and coalesce(d.decided_at, d.started_at) < r.valid_to
        ) as approver_role
    from decided d
)
select
    deployment_id, position, source, phase, decision, approver, approver_actor, approver_id, decided_at, automated, gated, comment, for_commit,
    counts, in_time, by_requester, by_author, stale, taken_back, approver_role,
    -- a human decision for what is deployed, given before the start by a role holder who neither asked for it nor wrote it, and
    -- not taken back
    decision = 'approved' and not automated and counts and in_time and not stale and not taken_back and approver_role is not null and not by_requester and not by_author as valid
from ranked;

-- Authorisation facts that a later version of a record tells otherwise, after the start: who asked, who approved, whether
-- the gate was bypassed. An approval that was given since the version before, and in time, is no such change; in time for
-- the start that was told before too, or a start told later would let in what came late.
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
        lag(said) over w as before_said, lag(started_at) over w as before_started_at
    from version
    window w as (partition by deployment_id order by recorded_at nulls first)
)
select deployment_id, max(recorded_at) as recorded_at
from followed
where recorded_at > started_at
  and before_bypassed is not null
  and (
      bypassed <> before_bypassed
      or lower(requested_by) <> lower(before_requested_by)
      or not list_has_all(said, before_said)
      or len(list_filter(approvals, lambda a:
          not list_contains(before_said, concat_ws('|', lower(a.approver), lower(a.decision), a.decided_at::varchar, a.automated::varchar))
          and not coalesce(a.decided_at > before_at and in_time(a.decided_at, least(started_at, before_started_at)), false)
      )) > 0
  )
group by deployment_id;

-- Stages of the latest revision, and of each revision the time from when to when it was in force.
create or replace table pipeline_stage as
with
-- told again, a definition is what was told last, without the stages that are no more; a record's name stands before `#`
told_last as (
    select * from stage_version
    qualify rank() over (
        partition by source, pipeline, revision, changed_at, split_part(record_id, '#', 1)
        order by unit desc, position desc, record_id desc
    ) = 1
),
latest as (
    select * from told_last
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

-- The pre-production run that live is held against: the last that had succeeded by then, else the last at all.
create or replace table proving_run as
select l.deployment_id as live_id, p.deployment_id
from deployment l
join deployment p on p.service = l.service and p.release_id = l.release_id and p.environment = 'preprod' and p.ran
where l.environment = 'live' and l.ran
qualify row_number() over (
    partition by l.deployment_id
    order by p.outcome = 'succeeded' and coalesce(p.finished_at <= l.started_at, false) desc, p.outcome = 'succeeded' desc, p.started_at desc, p.deployment_id
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
