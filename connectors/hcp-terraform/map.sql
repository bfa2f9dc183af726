-- What HCP Terraform's runs and audit trail mean. A run of a workspace is a deployment of one stage: the last part of the
-- workspace's name is its stage, what stands before it the pipeline. Whoever confirms the plan signs it off, and the platform
-- holds the apply until then; with auto-apply a machine does. A release is a commit, or a configuration version, as HCP
-- recorded it: whoever starts a run chooses the message, which therefore says nothing of what was deployed.

-- emits: deployment
with
-- What each member was called, and since when: their first name since ever, another since the collection that saw it. HCP does
-- not say when an address changed: what somebody did counts by the name that they had when it was first read.
member as (
    select id, name, case when row_number() over (partition by id order by batch_id) = 1 then -1 else batch_id end as since
    from (
        select record->>'$.relationships.user.data.id' as id, coalesce(record->>'$.attributes.email', record->>'$.attributes.username') as name, batch_id
        from raw where stream = 'members' and not deleted
        qualify row_number() over (partition by (record->>'$.relationships.user.data.id'), batch_id order by seen_at desc, record_id desc) = 1
    )
),
-- What each workspace was called, and since when: its first name since ever; another since the workspace was last changed, by
-- its own time, if that is after it was seen under the name before; else since it was seen so.
workspace as (
    select id, name, case when before.name is null then timestamp '0001-01-01' when changed_at > before.seen_at then changed_at else seen_at end as since
    from (
        select id, name, changed_at, seen_at, lag({'name': name, 'seen_at': seen_at}) over (partition by id order by seen_at, changed_at, record_id) as before
        from (
            select record_id, record->>'$.id' as id, record->>'$.attributes.name' as name, make_utc(coalesce(record->>'$.attributes.settings-changed-at', record->>'$.attributes.updated-at')) as changed_at, seen_at
            from raw where stream = 'workspaces' and not deleted
        )
    )
    where name is distinct from before.name
),
-- The commit of a configuration version that came out of a repository, as the repository's own event told HCP.
configuration as (
    select c.record->>'$.id' as id, i.record->>'$.attributes.commit-sha' as commit_sha
    from raw c
    join raw i on (i.record->>'$.id') = (c.record->>'$.relationships.ingress-attributes.data.id')
    where c.stream = 'commits' and i.stream = 'commits'
),
raw_run as (
    select record_id, coalesce(record->>'$.relationships.workspace.data.id', item) as workspace_id,
           min(batch_id) over (partition by (record->>'$.id')) as asked_in,
           min(batch_id) filter (where (record->>'$.relationships."confirmed-by".data.id') is not null) over (partition by (record->>'$.id')) as confirmed_in,
           from_json(record, '{"id": "VARCHAR",
        "attributes": {"status": "VARCHAR", "auto-apply": "BOOLEAN", "source": "VARCHAR", "trigger-reason": "VARCHAR", "plan-only": "BOOLEAN", "message": "VARCHAR", "created-at": "VARCHAR",
            "status-timestamps": {"planned-at": "VARCHAR", "confirmed-at": "VARCHAR", "applying-at": "VARCHAR", "apply-queued-at": "VARCHAR", "applied-at": "VARCHAR", "errored-at": "VARCHAR", "discarded-at": "VARCHAR", "canceled-at": "VARCHAR", "force-canceled-at": "VARCHAR"}},
        "relationships": {"created-by": {"data": {"id": "VARCHAR"}}, "confirmed-by": {"data": {"id": "VARCHAR"}}, "configuration-version": {"data": {"id": "VARCHAR"}}}}') as t
    from raw where stream = 'runs'
    qualify row_number() over (partition by (record->>'$.id') order by
        coalesce(list_max([make_utc(record->'$.attributes.status-timestamps'->>k) for k in json_keys(record, '$.attributes.status-timestamps')]), occurred_at) desc, position) = 1
),
run as (
    select *, make_utc(a."created-at") as created_at,
           make_utc(coalesce(s."applying-at", case when a.status = 'applied' then coalesce(s."apply-queued-at", s."confirmed-at") end)) as started_at
    from (select *, t.attributes as a, t.attributes."status-timestamps" as s from raw_run)
)
select
    r.record_id,
    -- by the name of when it was asked for, which stays while it waits
    'hcp-terraform:' || asked_of.name || ':' || r.t.id as deployment_id,
    coalesce(c.commit_sha, r.t.relationships."configuration-version".data.id, r.t.id) as release_id,
    coalesce(nullif(regexp_replace(w.name, '[-_][^-_]+$', ''), ''), w.name) as pipeline,
    r.t.relationships."configuration-version".data.id as version,
    c.commit_sha,
    regexp_extract(w.name, '[^-_]+$') as stage,
    -- a push to the repository starts a run by itself; what the CLI or the API asked for, a person or a machine did
    case when a.source = 'tfe-ui' then 'manual' when a.source = 'tfe-configuration-version' and c.commit_sha is not null then 'automatic' end as trigger,
    coalesce(asked.name, r.t.relationships."created-by".data.id) as requested_by,
    started_at,
    make_utc(coalesce(s."applied-at", s."errored-at", s."force-canceled-at", s."canceled-at", s."discarded-at")) as finished_at,
    case
        when a.status = 'applied' then 'succeeded' when a.status = 'errored' then 'failed' when a.status in ('canceled', 'force_canceled') then 'cancelled'
        when a.status in ('discarded', 'policy_soft_failed') then 'rejected' else 'running'
    end as outcome,
    case
        when r.t.relationships."confirmed-by".data.id is not null then [{'phase': 'pre', 'decision': 'approved', 'approver': coalesce(confirmed.name, r.t.relationships."confirmed-by".data.id),
            'decided_at': make_utc(s."confirmed-at"), 'automated': false, 'gated': true, 'comment': null::varchar}]
        when a."auto-apply" then [{'phase': 'pre', 'decision': 'approved', 'approver': null::varchar, 'decided_at': make_utc(s."planned-at"), 'automated': true, 'gated': false, 'comment': 'auto-apply'}]
        else []
    end as approvals,
    [r.t.id] as run_ids, [r.t.id] as session_names,
    tickets_in(coalesce(a.message, '')) as tickets
from run r
asof join workspace asked_of on asked_of.id = r.workspace_id and asked_of.since <= r.created_at
asof join workspace w on w.id = r.workspace_id and w.since <= coalesce(r.started_at, r.created_at)
left join configuration c on c.id = r.t.relationships."configuration-version".data.id
asof left join member asked on asked.id = r.t.relationships."created-by".data.id and asked.since <= r.asked_in
asof left join member confirmed on confirmed.id = r.t.relationships."confirmed-by".data.id and confirmed.since <= r.confirmed_in
where not coalesce(a."plan-only", false) and a.status <> 'planned_and_finished';

-- emits: pipeline_stage
with
-- what started each run of a workspace
started as (
    select coalesce(r.record->>'$.relationships.workspace.data.id', r.item) as workspace_id, list({
        'trigger': case
            when (r.record->>'$.attributes.source') = 'tfe-ui' then 'manual'
            when (r.record->>'$.attributes.source') = 'tfe-configuration-version' and (i.record->>'$.attributes.commit-sha') is not null then 'automatic'
        end,
        'began_at': make_utc(r.record->>'$.attributes.created-at')
    }) as runs
    from raw r
    left join raw c on c.stream = 'commits' and (c.record->>'$.id') = (r.record->>'$.relationships.configuration-version.data.id')
    left join raw i on i.stream = 'commits' and (i.record->>'$.id') = (c.record->>'$.relationships.ingress-attributes.data.id')
    where r.stream = 'runs' and not coalesce((r.record->>'$.attributes.plan-only')::boolean, false)
    group by all
)
select
    record_id, coalesce(nullif(regexp_replace(name, '[-_][^-_]+$', ''), ''), name) as pipeline, max(changed_at) over (partition by regexp_replace(name, '[-_][^-_]+$', '')) as changed_at,
    regexp_extract(name, '[^-_]+$') as stage,
    -- auto-apply says who must confirm, not what starts a run: a repository that is connected does, else what started the runs tells
    case when has_repository then 'automatic' else trigger_of_runs(s.runs, w.changed_at) end as trigger,
    case when auto then 0 else 1 end as approvals_required,
    []::varchar[] as approvers, case when not auto then true end as requester_can_approve
from (
    select record_id, record->>'$.id' as id, record->>'$.attributes.name' as name, (record->>'$.attributes.vcs-repo.identifier') is not null as has_repository, occurred_at as changed_at, coalesce((record->>'$.attributes.auto-apply')::boolean, false) as auto, deleted
    from raw where stream = 'workspaces'
    qualify row_number() over (partition by coalesce(record->>'$.object', record->>'$.id') order by deleted desc, occurred_at desc nulls last, record_id desc) = 1
) w
left join started s on s.workspace_id = w.id
where not deleted;

-- emits: change
with
entry as (
    select record_id, occurred_at, (record->>'$.resource.type') || ':' || (record->>'$.resource.action') as action,
           -- whoever impersonates is who acts, and the rest of the entry is of the other one
           record->>'$.auth.type' = 'Impersonated' as is_impersonated,
           coalesce(record->>'$.auth.description', record->>'$.auth.accessor_id') as signed_in,
           case when is_impersonated then nullif(record->>'$.auth.impersonator_id', '') else signed_in end as actor_name,
           case
               when is_impersonated then case when actor_name is null then 'unknown' else 'person' end
               when record->>'$.auth.type' = 'System' then 'service'
               -- a token of a team or of the organisation, and what a repository tells
               when regexp_matches(signed_in, '^(api-team_\d+|api-org-.+|gh-webhooks-.+)$') then 'application'
               else 'person'
           end as actor_type,
           (record->>'$.resource.type') || '/' || (record->>'$.resource.id') as object
    from raw where stream = 'audit'
),
classed as (
    select
        e.*,
        -- looking is looking, whatever at, where it is no way in
        regexp_matches(e.action, ':(show|index|read|list|download(_.*)?|latest_output_summary)$') and k.operation is distinct from 'access' as is_read,
        case when is_read then 'read' else coalesce(k.category, 'change') end as category,
        case when is_read then 'other' else coalesce(k.operation, 'other') end as operation,
        case when is_read then 'a read' else k.action end as classed_by
    from entry e
    left join action_class k on e.action glob k.action
    qualify row_number() over (partition by e.record_id order by telling(k.action)) = 1
)
select record_id, occurred_at, action, category, operation, actor_type, actor_name, 'api' as channel, 'hcp-terraform:' || object as resource, object,
       diffs_text(case when is_impersonated then [{'field': 'impersonated', 'old': null, 'new': signed_in}] end) as diffs, classed_by
from classed
union all by name
select record_id, occurred_at, case when deleted then 'workspace.deleted' when not first and previous is not null and (record->>'$.attributes.auto-apply') <> (previous->>'$.attributes.auto-apply') then 'workspace.auto-apply' else 'workspace.seen' end as action,
       case when not first and previous is not null and not deleted and (record->>'$.attributes.auto-apply') <> (previous->>'$.attributes.auto-apply') then 'change' else 'evidence' end as category,
       'permission' as operation, 'unknown' as actor_type, 'hcp-terraform:workspace/' || coalesce(record->>'$.attributes.name', previous->>'$.attributes.name') as resource,
       'workspace/' || coalesce(record->>'$.attributes.name', previous->>'$.attributes.name') as object,
       case when previous is not null and not deleted then json_array(json_object('field', 'auto-apply', 'old', previous->>'$.attributes.auto-apply', 'new', record->>'$.attributes.auto-apply'))::varchar end as diffs
from raw where stream = 'workspaces'
union all by name
select record_id, occurred_at, 'run' as action, 'release-control' as category, 'deploy' as operation, 'hcp-terraform:run/' || (record->>'$.id') as resource
from raw where stream = 'runs'
union all by name
-- what a run was made of says nothing of when: it is told as of when its workspace was first seen
select c.record_id, w.seen_at as occurred_at, 'configuration.seen' as action, 'evidence' as category, 'other' as operation, 'unknown' as actor_type,
       'hcp-terraform:' || (c.record->>'$.type') || '/' || (c.record->>'$.id') as resource
from raw c
join (select record->>'$.id' as id, min(seen_at) as seen_at from raw where stream = 'workspaces' and not deleted group by all) w on w.id = c.item
where c.stream = 'commits'
union all by name
-- who is who; the audit trail tells who let them in
select record_id, occurred_at, 'member.' || case when deleted then 'deleted' when first then 'seen' when previous is null then 'created' else 'changed' end as action,
       'evidence' as category, case when deleted then 'delete' else 'permission' end as operation, 'unknown' as actor_type,
       'hcp-terraform:member/' || (case when deleted then previous else record end->>'$.attributes.username') as resource,
       'member/' || (case when deleted then previous else record end->>'$.attributes.username') as object
from raw where stream = 'members';
