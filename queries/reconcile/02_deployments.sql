-- Deployments as the release log has them: of each the latest version.

-- Where the content belongs that a release names: the scope that says most, then the first, as for changes; items in
-- several places leave the release without one. A ticket knows its items, not our services, and speaks of an item wherever it
-- is. What a content system tells of its own items is about that source: another site of the same vendor may use the same ids.
create or replace temporary table item_scope as
with
item as (
    select distinct
        v.deployment_id, v.item, lower(split_part(v.item, ':', 1)) as system, regexp_replace(v.item, '^[^:]*:', '') as object,
        case when c.connector = lower(split_part(v.item, ':', 1)) then v.source end as own_source
    from (select deployment_id, source, unnest(items) as item from deployment_version) v
    left join source_as_configured c on c.source = v.source
),
fitting as (
    select
        i.deployment_id, i.item,
        arg_max((s.service, s.environment), ((s.sources is not null)::int + (s.resources is not null)::int + (s.objects is not null)::int, -s.position)) as place
    from item i
    join config_scope s
      on coalesce(s.sources, s.resources, s.objects) is not null
     and coalesce(s.aws_accounts, s.aws_regions, s.azure_subscriptions, s.azure_resource_groups) is null
     and (s.sources is null or exists (from config_source c where coalesce(c.name = i.own_source, c.connector = i.system) and list_contains(s.sources, c.name)))
     and (s.resources is null or len(list_filter(s.resources, lambda g: i.item glob g or regexp_replace(i.item, '@[^@]*$', '') glob g)) > 0)
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
-- environment: by the service's stage map, else as recorded, else that of the content, else by the usual stage names. What a
-- content system tells of its own items is first of all where these are: its pipeline and stage have the same name in every site.
-- keeps: deployment
with
latest_of_source as (
    -- a release log's files are read as if they were one, by path; what stands in a file now comes before what stood there
    select v.* replace (spelling.pipeline as pipeline), v.source in (select name from config_source) as configured, coalesce(c.approvals = 'evidence', false) as evidence,
           coalesce(c.connector = lower(split_part(v.items[1], ':', 1)), false) as own_content
    from deployment_version v
    semi join deployment_again using (deployment_id)
    join pipeline_spelling spelling on spelling.folded = lower(v.pipeline)
    left join source_as_configured c on c.source = v.source
    qualify row_number() over (
        partition by v.deployment_id, v.source
        order by v.recorded_at desc nulls last, case when c.connector = 'release-log' then v.unit end desc nulls last, v.batch_id desc, v.unit desc, v.position desc, v.record_id desc
    ) = 1
),
latest as (
    -- what a pipeline says about itself replaces no evidence; and a source that the configuration still names comes before one
    -- that has another name now
    select * exclude (configured)
    from latest_of_source
    qualify row_number() over (
        partition by deployment_id order by evidence desc, recorded_at desc nulls last, configured desc, batch_id desc, unit desc, position desc, record_id desc
    ) = 1
),
owned as (
    select
        l.*,
        coalesce(case when l.own_content then items.service end, named.service, by_pipeline.service, catalogue.service, nullif(l.service, ''), items.service, '') as owner_service,
        items.environment as items_environment
    from latest l
    left join service_spelling catalogue on catalogue.spelling = lower(l.service)
    left join config_pipeline named on named.pipeline = l.pipeline and named.service = catalogue.service
    left join config_pipeline by_pipeline on by_pipeline.pipeline = l.pipeline and by_pipeline.is_first
    left join item_scope items using (deployment_id)
),
first as (
    -- when it was first told: what is pushed, by the clock of the store
    select deployment_id, min(case when source = 'record' then make_utc(unit) else recorded_at end) as first_recorded_at
    from deployment_version semi join deployment_again using (deployment_id)
    group by deployment_id
),
placed as (
    -- in a log that pipelines write an end that had not come yet when it was read is none: until it has come, for it may be the
    -- clock that was behind; and it keeps no window open for longer than none does
    select o.* replace (
               case
                   when b.batch_id is null or o.finished_at <= b.committed_at + s.skew
                       or (o.finished_at <= run.now + s.skew and o.finished_at <= o.started_at + s.max_running) then o.finished_at
               end as finished_at
           ),
           f.first_recorded_at, coalesce(case when o.own_content then o.items_environment end, mapped.environment, named.environment, o.items_environment, usual.environment, '') as kind
    from owned o
    join first f using (deployment_id)
    left join source_as_configured c on c.source = o.source
    left join batch b on b.batch_id = o.batch_id and (o.source = 'record' or c.connector = 'release-log')
    cross join config_standard s
    cross join run
    left join stage_names named on named.stage = lower(replace(replace(o.environment, '-', ''), '_', ''))
    left join config_stage mapped on mapped.service = o.owner_service and mapped.stage = lower(replace(replace(o.stage, '-', ''), '_', ''))
    left join stage_names usual on usual.stage = lower(replace(replace(o.stage, '-', ''), '_', ''))
),
vouched as (
    select * exclude (run_ids, session_names), list_transform(list_concat(run_ids, session_names), lambda x: lower(x)) as run_keys, unnest(list_distinct(run_keys)) as run_key
    from placed where evidence and started_at is not null
),
-- What a pipeline says about itself under another id is a copy where somebody vouches for the same attempt of the same run in the
-- same environment: all that it names the run by, that has too, and it began in its time. How it calls the stage says nothing.
copy as (
    select distinct c.deployment_id
    from (
        select *, list_transform(list_concat(run_ids, session_names), lambda x: lower(x)) as run_keys from placed where not evidence
    ) c
    cross join config_standard s
    join vouched v on v.run_key = c.run_keys[1] and list_has_all(v.run_keys, c.run_keys) and v.kind = c.kind and c.owner_service in ('', v.owner_service)
     and coalesce(c.started_at, c.finished_at) between v.started_at - s.skew and coalesce(v.finished_at, v.started_at + s.max_running) + s.skew
)
select
    p.deployment_id,
    p.source,
    p.record_id,
    coalesce(p.release_id, p.deployment_id) as release_id,
    -- what is compared: case says nothing in the name of a release
    lower(coalesce(p.release_id, p.deployment_id)) as release_key,
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
    -- told by the content system whose items it names
    p.own_content,
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
from (from placed anti join copy using (deployment_id)) p
cross join config_standard c
cross join run
left join config_identity person on person.identity = lower(p.requested_by);
