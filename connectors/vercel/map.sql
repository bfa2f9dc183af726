-- What Vercel's events and deployments mean. Sees raw(…) and the table action_class: what is a change. A deployment is a
-- change to live once it is ready, one however many of its states were seen; the event that tells of it too is evidence.
-- One that was built without the production domains is none: the event that gives it these is, and may come days later.

-- together
select
    record_id,
    unnest(case
        when stream = 'deployment' then [record->>'$.uid', record->>'$.projectId']
        else [record->>'$.payload.deploymentId', record->>'$.payload.deployment.id', record->>'$.payload.projectId', record->>'$.payload.project.id']
    end) as key
from raw;

-- emits: change
with
r as (
    select
        record_id, stream,
        from_json(record, '{
            "id": "VARCHAR", "type": "VARCHAR", "text": "VARCHAR", "createdAt": "BIGINT", "userId": "VARCHAR", "principalId": "VARCHAR",
            "user": {"email": "VARCHAR", "username": "VARCHAR", "uid": "VARCHAR"},
            "principal": {"type": "VARCHAR", "clientId": "VARCHAR", "name": "VARCHAR", "email": "VARCHAR", "username": "VARCHAR"},
            "payload": {"projectId": "VARCHAR", "projectName": "VARCHAR", "project": {"id": "VARCHAR", "name": "VARCHAR"}, "deploymentId": "VARCHAR", "deployment": {"id": "VARCHAR"}, "team": {"slug": "VARCHAR"}},
            "uid": "VARCHAR", "name": "VARCHAR", "projectId": "VARCHAR", "state": "VARCHAR", "readyState": "VARCHAR", "readySubstate": "VARCHAR", "source": "VARCHAR", "target": "VARCHAR", "created": "BIGINT", "ready": "BIGINT",
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
        coalesce(t.projectId, t.payload.projectId, t.payload.project.id, t.name, t.payload.projectName) as project,
        coalesce(t.uid, t.payload.deploymentId, t.payload.deployment.id) as deployment,
        epoch_ms(case when stream = 'deployment' then coalesce(t.ready, t.created) else t.createdAt end) as occurred_at,
        case when stream = 'deployment' then coalesce(state = 'ERROR', false) else action = 'deployment-policy-blocked' or ends_with(action, '-failed') end as failed
    from r
),
-- the most telling line of the table for each action
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct action from read) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by telling(k.action)) = 1
),
-- what gave a project's domains to a deployment: its own build, or an event
went_live as (
    select project, deployment, stream, occurred_at
    from read
    left join classed k using (action)
    where case when stream = 'deployment' then state = 'READY' and t.readySubstate is distinct from 'STAGED' else k.operation = 'deploy' and k.category = 'change' and not failed end
),
-- A deployment says when it was built, not when it went live. Where an event gave it the domains later, and no other of the
-- project got them in between, it had not been live before; else it may have gone live twice.
given_later as (
    select d.deployment
    from (
        select b.project, b.deployment, b.occurred_at as built_at, min(e.occurred_at) as given_at
        from went_live b
        join went_live e on e.deployment = b.deployment and e.stream = 'event' and e.occurred_at > b.occurred_at
        where b.stream = 'deployment'
        group by all
    ) d
    where not exists (from went_live o where coalesce(o.project, d.project) = d.project and o.deployment is distinct from d.deployment and o.occurred_at between d.built_at and d.given_at)
)
select
    record_id, occurred_at,
    'vercel' as system,
    case when stream = 'deployment' then 'deployment/' || t.uid end as change_key,
    case
        when stream = 'deployment' and coalesce(state, '') not in ('READY', 'ERROR') then 'evidence'
        -- no visitor has seen it, or an event tells when they first did
        when stream = 'deployment' and state = 'READY' and (t.readySubstate = 'STAGED' or deployment in (select deployment from given_later)) then 'evidence'
        else coalesce(k.category, 'change')
    end as category,
    'action_class:' || k.line as classed_by,
    case when failed then 'failed' else 'succeeded' end as outcome,
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
    case when deployment is not null then list_filter([commit, deployment], lambda x: x is not null) end as correlation_ids
from read
left join classed k using (action);
