-- What Vercel's events and deployments mean. Sees raw(…) and the table action_class: what is a change. A deployment is a
-- change to live once it is ready, one however many of its states were seen; the event that tells of it too is evidence.

-- emits: change
with
r as (
    select
        record_id, stream,
        from_json(record, '{
            "id": "VARCHAR", "type": "VARCHAR", "text": "VARCHAR", "createdAt": "BIGINT", "userId": "VARCHAR", "principalId": "VARCHAR",
            "user": {"email": "VARCHAR", "username": "VARCHAR", "uid": "VARCHAR"},
            "principal": {"type": "VARCHAR", "clientId": "VARCHAR", "name": "VARCHAR", "email": "VARCHAR", "username": "VARCHAR"},
            "payload": {"projectId": "VARCHAR", "projectName": "VARCHAR", "project": {"id": "VARCHAR", "name": "VARCHAR"}, "deploymentId": "VARCHAR", "team": {"slug": "VARCHAR"}},
            "uid": "VARCHAR", "name": "VARCHAR", "projectId": "VARCHAR", "state": "VARCHAR", "readyState": "VARCHAR", "source": "VARCHAR", "target": "VARCHAR", "created": "BIGINT", "ready": "BIGINT",
            "creator": {"uid": "VARCHAR", "email": "VARCHAR", "username": "VARCHAR"},
            "meta": {"githubCommitSha": "VARCHAR", "gitlabCommitSha": "VARCHAR", "bitbucketCommitSha": "VARCHAR"}
        }') as t
    from raw
),
read as (
    select
        record_id, stream, t,
        case when stream = 'deployment' then 'deployment.' || coalesce(t.target, 'preview') else lower(coalesce(t.type, t.text, 'unnamed')) end as action,
        coalesce(t.state, t.readyState) as state,
        coalesce(t.meta.githubCommitSha, t.meta.gitlabCommitSha, t.meta.bitbucketCommitSha) as commit,
        coalesce(t.projectId, t.payload.projectId, t.payload.project.id, t.name, t.payload.projectName) as project
    from r
),
-- the most telling line of the table for each action: an exact name before a pattern, a long pattern before a short one
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct action from read) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by position('*' in k.action) > 0, length(k.action) desc) = 1
)
select
    record_id,
    epoch_ms(case when stream = 'deployment' then coalesce(t.ready, t.created) else t.createdAt end) as occurred_at,
    'vercel' as system,
    case when stream = 'deployment' then 'deployment/' || t.uid end as change_key,
    case when stream = 'deployment' and coalesce(state, '') not in ('READY', 'ERROR') then 'evidence' else coalesce(k.category, 'change') end as category,
    'action_class:' || k.line as classed_by,
    case when stream = 'deployment' and state = 'ERROR' then 'failed' else 'succeeded' end as outcome,
    case when stream = 'deployment' and state = 'ERROR' then state end as error,
    case
        -- built by Vercel from a commit
        when stream = 'deployment' and t.source = 'git' then 'application'
        when t.principal.type in ('app', 'system') then case t.principal.type when 'app' then 'application' else 'service' end
        when coalesce(t.creator.email, t.creator.username, t.user.email, t.user.username, t.principal.email, t.userId) is not null then 'person'
        else 'unknown'
    end as actor_type,
    case
        when stream = 'deployment' and t.source = 'git' then 'vercel-git/' || project
        when t.principal.type in ('app', 'system') then coalesce(t.principal.clientId, t.principal.name)
        else coalesce(t.creator.email, t.creator.username, t.user.email, t.principal.email, t.user.username, t.creator.uid, t.userId)
    end as actor_name,
    case
        when stream = 'deployment' and t.source = 'git' then 'pipeline'
        when stream = 'deployment' and t.source = 'cli' then 'cli'
        else 'unknown'
    end as channel,
    action,
    case
        when stream = 'deployment' then 'deploy'
        when k.operation is not null then k.operation
        when regexp_matches(action, '(create|add|join)') then 'create'
        when regexp_matches(action, '(delete|remove|unlink)') then 'delete'
        else 'update'
    end as operation,
    'vercel:' || case when project is not null then 'project/' || project else 'team' end as resource,
    case when project is not null then 'project/' || project else 'team' end as object,
    t.payload.team.slug as account,
    case when stream = 'deployment' then list_filter([commit, t.uid], lambda x: x is not null) end as correlation_ids
from read
left join classed k using (action);
