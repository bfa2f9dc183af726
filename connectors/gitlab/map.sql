-- What GitLab's deployments, merge requests and protected environments mean.
--
-- After a protected environment's deployment was approved its job still has to be started: the job's own start is the first
-- step after the gate. One who triggered a pipeline cannot approve unless the project allows it. Who wrote what is deployed
-- is the merge request's author, as the server knows it. A project may be renamed: a deployment goes by the path that it had
-- when it ran, a release by the first that is known of the project, so that it stays one. A deployment without a job was
-- made by another system, which says itself how it went.

-- emits: deployment
with
place as (
    select stream, record->>'$.id' as id, position, make_utc(record->>'$.updated_at') as told_at, (record->>'$.deployable.started_at') is not null as runs,
           regexp_extract(coalesce(record->>'$.deployable.pipeline.web_url', record->>'$.web_url'), '^https?://[^/]+/(.+?)/-/', 1) as path
    from raw where stream in ('deployments', 'merge_requests')
),
-- the one project of the source
project as (select arg_min(path, (told_at, position)) as first_path from place where path <> ''),
-- without a job a deployment tells no path: then the last one that was told before it
at_start as (
    select d.id, coalesce(d.path, p.path) as path
    from (
        select id, arg_min(path, (not runs, told_at, position)) filter (where path <> '') as path, min(told_at) as told_at
        from place where stream = 'deployments' group by id
    ) d
    asof left join (select told_at, path from place where path <> '') p on p.told_at <= d.told_at
),
deployment as (
    select record_id, from_json(record, '{"id": "VARCHAR", "ref": "VARCHAR", "sha": "VARCHAR", "status": "VARCHAR", "created_at": "VARCHAR", "updated_at": "VARCHAR",
        "user": {"username": "VARCHAR"}, "environment": {"name": "VARCHAR"},
        "deployable": {"id": "VARCHAR", "name": "VARCHAR", "started_at": "VARCHAR", "finished_at": "VARCHAR", "user": {"username": "VARCHAR"},
                       "commit": {"title": "VARCHAR"}, "pipeline": {"id": "VARCHAR", "source": "VARCHAR", "web_url": "VARCHAR"}}}') as t
    from raw where stream = 'deployments'
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
-- in whose name each job of a pipeline was first
began as (
    select record->>'$.deployable.pipeline.id' as pipeline_id, record->>'$.environment.name' as environment, record->>'$.deployable.name' as job,
           arg_min(record->>'$.deployable.user.username', (make_utc(record->>'$.created_at'), make_utc(record->>'$.updated_at'), position)) as username
    from raw where stream = 'deployments' group by all
),
-- a job that waited for somebody to start it
waited as (
    select distinct record->>'$.id' as id from raw where stream in ('deployments', 'details') and (record->>'$.deployable.status') = 'manual'
),
detail as (
    select record->>'$.id' as id, from_json(record, '{"approvals": [{"user": {"username": "VARCHAR"}, "status": "VARCHAR", "created_at": "VARCHAR", "comment": "VARCHAR"}],
        "approval_summary": {"rules": [{"deployment_approvals": [{"user": {"username": "VARCHAR"}, "status": "VARCHAR", "created_at": "VARCHAR", "comment": "VARCHAR"}]}]}}') as t
    from raw where stream = 'details'
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
wrote as (
    select unnest([record->>'$.merge_commit_sha', record->>'$.squash_commit_sha', record->>'$.sha']) as commit_sha, record->>'$.author.username' as author
    from raw where stream = 'merge_requests'
)
select
    d.record_id,
    concat_ws(':', 'gitlab', project, d.t.id, d.t.environment.name) as deployment_id,
    coalesce(known.first_path, 'gitlab') || '@' || left(d.t.sha, 12) as release_id,
    project as pipeline, d.t.ref as version, d.t.sha as commit_sha, d.t.environment.name as stage,
    case when by_hand.id is not null then 'manual' else k.trigger end as trigger,
    -- A schedule runs in its owner's name, who asked for nothing. Whoever starts a job of it that waited, or once more, did: told by
    -- another name, for GitLab starts a job that failed again by itself.
    case when k.trigger = 'scheduled' and d.t.deployable.user.username is not distinct from b.username then null
         else coalesce(d.t.deployable.user.username, d.t.user.username) end as requested_by,
    case when d.t.deployable is not null then make_utc(d.t.deployable.started_at) when d.t.status in ('running', 'success', 'failed') then make_utc(d.t.created_at) end as started_at,
    case when d.t.deployable is not null then make_utc(d.t.deployable.finished_at) when d.t.status in ('success', 'failed') then make_utc(d.t.updated_at) end as finished_at,
    case
        when d.t.status = 'success' then 'succeeded' when d.t.status = 'failed' then 'failed' when d.t.status in ('canceled', 'skipped') then 'cancelled'
        when d.t.status = 'blocked' and list_has_any([x.status for x in said], ['rejected']) then 'rejected'
        else 'running'
    end as outcome,
    case when a.id is not null then list_distinct([{
        'phase': 'pre', 'decision': x.status, 'approver': x.user.username, 'decided_at': make_utc(x.created_at), 'automated': false, 'gated': true, 'comment': x.comment
    } for x in said]) end as approvals,
    list_filter([d.t.deployable.pipeline.id, d.t.deployable.id], lambda x: x is not null) as run_ids,
    list_filter(['gl-' || d.t.deployable.pipeline.id, 'gl-' || d.t.deployable.id], lambda x: x is not null) as session_names,
    ['project_path:' || project || ':ref_type:branch:ref:' || d.t.ref, 'project_path:' || project || ':ref_type:tag:ref:' || d.t.ref] as subjects,
    tickets_in(coalesce(d.t.deployable.commit.title, '')) as tickets,
    (select list(distinct w.author) from wrote w where w.commit_sha = d.t.sha) as authors,
    d.t.deployable.pipeline.web_url as url
from deployment d
cross join project known
left join waited by_hand on by_hand.id = d.t.id
left join began b on b.pipeline_id = d.t.deployable.pipeline.id and b.environment = d.t.environment.name and b.job = d.t.deployable.name
left join pipeline_source k on k.source = d.t.deployable.pipeline.source
left join at_start s on s.id = d.t.id
left join detail a on a.id = d.t.id,
lateral (select
    coalesce(s.path, known.first_path, 'gitlab') as project,
    list_concat(coalesce(a.t.approvals, []), coalesce(flatten([r.deployment_approvals for r in a.t.approval_summary.rules]), [])) as said) x;

-- emits: pipeline_stage
with
environment as (
    select record_id, from_json(record, '{"name": "VARCHAR", "required_approval_count": "BIGINT",
        "deploy_access_levels": [{"access_level_description": "VARCHAR"}],
        "approval_rules": [{"access_level_description": "VARCHAR", "required_approvals": "BIGINT"}]}') as t
    from raw where stream = 'protected_environments'
    qualify row_number() over (partition by coalesce(record->>'$.object', record->>'$.name') order by occurred_at desc nulls last, deleted desc, record_id desc) = 1 and not deleted
),
used as (
    select regexp_extract(record->>'$.deployable.pipeline.web_url', '^https?://[^/]+/(.+)/-/pipelines', 1) as pipeline, record->>'$.environment.name' as stage,
           arg_max(record_id, ((record->>'$.updated_at'), record_id)) filter (where stream = 'deployments' and (record->>'$.updated_at') is not null) as record_id,
           trigger_of_runs(list({'trigger': k.trigger, 'began_at': make_utc(record->>'$.created_at')}) filter (where stream = 'deployments'), null::timestamp) as trigger,
           max(make_utc(record->>'$.created_at')) as last_at,
           -- a job that ever waits for somebody to start it is one that is started by hand, whatever started its pipeline
           max(make_utc(record->>'$.created_at')) filter (where (record->>'$.deployable.status') = 'manual') as by_hand_at,
           -- a group's protection is not told to the project; that somebody was asked is
           coalesce(bool_or(
               json_array_length(record, '$.approvals') > 0 or json_array_length(record, '$.approval_summary.rules') > 0
               or try_cast(json_extract_string(record, '$.pending_approval_count') as bigint) > 0
           ), false) as is_asked
    from raw
    left join pipeline_source k on k.source = (record->>'$.deployable.pipeline.source')
    where stream in ('deployments', 'details') group by all
)
select
    coalesce(e.record_id, u.record_id) as record_id, u.pipeline, u.stage,
    case when u.by_hand_at >= u.last_at - interval 90 days then 'manual' else u.trigger end as trigger,
    coalesce(
        nullif(list_sum([r.required_approvals for r in e.t.approval_rules]), 0), e.t.required_approval_count,
        case when e.record_id is not null or not u.is_asked then 0 end
    )::bigint as approvals_required,
    coalesce(list_distinct([r.access_level_description for r in e.t.approval_rules]), []) as approvers
from used u
left join environment e on e.t.name = u.stage
where u.pipeline <> '';

-- emits: change
select
    record_id, coalesce(occurred_at, make_utc(record->>'$.updated_at')) as occurred_at,
    case when stream = 'merge_requests' then 'merge-request' else 'deployment' end as action,
    case when stream = 'merge_requests' then 'evidence' else 'release-control' end as category,
    coalesce(record->>'$.deployable.user.username', record->>'$.user.username', record->>'$.author.username') as actor_name,
    'gitlab:' || stream || '/' || (record->>'$.id') as resource
from raw
where stream in ('deployments', 'details', 'merge_requests')
union all by name
-- whoever may deploy without being asked: GitLab says neither when nor by whom that was changed
select
    record_id, occurred_at,
    'protected-environment.' || case when deleted then 'deleted' when first then 'seen' when previous is null then 'created' else 'changed' end as action,
    case when first then 'evidence' else 'change' end as category, case when deleted then 'delete' else 'permission' end as operation, 'unknown' as actor_type,
    'gitlab:protected-environment/' || (case when deleted then previous else record end->>'$.name') as resource,
    'protected-environment/' || (case when deleted then previous else record end->>'$.name') as object,
    case when previous is not null and not deleted then diffs_text(object_diffs(previous::json, record::json)) end as diffs
from raw
where stream = 'protected_environments';
