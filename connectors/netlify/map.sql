-- What Netlify's audit log and deploys mean. Sees raw(…) and the table action_class: what is a change. A deploy is a change
-- to live once it is published in the context `production`; it is one change however many of its states were seen.

-- emits: change
with
r as (
    select
        record_id, stream,
        from_json(record, '{
            "id": "VARCHAR", "account_id": "VARCHAR",
            "payload": {"actor_id": "VARCHAR", "actor_name": "VARCHAR", "actor_email": "VARCHAR", "action": "VARCHAR", "timestamp": "VARCHAR", "log_type": "VARCHAR", "site_id": "VARCHAR", "site_name": "VARCHAR"},
            "site_id": "VARCHAR", "user_id": "VARCHAR", "state": "VARCHAR", "context": "VARCHAR", "created_at": "VARCHAR", "updated_at": "VARCHAR", "published_at": "VARCHAR",
            "manual_deploy": "BOOLEAN", "deploy_source": "VARCHAR", "commit_ref": "VARCHAR", "committer": "VARCHAR", "branch": "VARCHAR", "title": "VARCHAR", "error_message": "VARCHAR"
        }') as t
    from raw
),
read as (
    select
        record_id, stream, t,
        case when stream = 'deploy' then 'deploy.' || lower(coalesce(t.context, 'unknown')) else lower(concat_ws('.', t.payload.log_type, t.payload.action)) end as action
    from r
),
-- the most telling line of the table for each action
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct action from read) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by telling(k.action)) = 1
)
select
    record_id,
    case when stream = 'deploy' then make_utc(coalesce(t.published_at, t.updated_at, t.created_at)) else make_utc(t.payload."timestamp") end as occurred_at,
    'netlify' as system,
    case when stream = 'deploy' then 'deploy/' || t.id end as change_key,
    case
        when stream = 'deploy' and coalesce(t.state, '') not in ('ready', 'error') then 'evidence'
        -- built, and no visitor has seen it: where publishing is stopped, somebody does it later or never
        when stream = 'deploy' and t.state = 'ready' and t.published_at is null then 'evidence'
        else coalesce(k.category, 'change')
    end as category,
    'action_class:' || k.line as classed_by,
    case when stream = 'deploy' and t.state = 'error' then 'failed' else 'succeeded' end as outcome,
    case when stream = 'deploy' and t.state = 'error' then coalesce(t.error_message, t.state) end as error,
    case
        when stream = 'audit' and coalesce(t.payload.actor_email, t.payload.actor_name, t.payload.actor_id) is not null then 'person'
        -- uploaded by hand or by the command line: somebody's token, and only their id is known
        when stream = 'deploy' and (t.manual_deploy or t.commit_ref is null) and t.user_id is not null then 'person'
        -- built by Netlify from a commit
        when stream = 'deploy' and t.commit_ref is not null then 'application'
        else 'unknown'
    end as actor_type,
    case
        when stream = 'audit' then coalesce(t.payload.actor_email, t.payload.actor_name, t.payload.actor_id)
        when t.manual_deploy or t.commit_ref is null then t.user_id
        else 'netlify-build/' || t.site_id
    end as actor_name,
    case
        when stream = 'deploy' and t.deploy_source = 'cli' then 'cli'
        when stream = 'deploy' and not coalesce(t.manual_deploy, false) and t.commit_ref is not null then 'pipeline'
        else 'unknown'
    end as channel,
    action,
    case
        when stream = 'deploy' then 'deploy'
        when k.operation is not null then k.operation
        when regexp_matches(action, '(create|add|invite)') then 'create'
        when regexp_matches(action, '(delete|remove|revoke)') then 'delete'
        else 'update'
    end as operation,
    'netlify:' || case when coalesce(t.site_id, t.payload.site_id) is not null then 'site/' || coalesce(t.site_id, t.payload.site_id) else 'team/' || t.account_id end as resource,
    case when coalesce(t.site_id, t.payload.site_id) is not null then 'site/' || coalesce(t.site_id, t.payload.site_id) else 'team/' || t.account_id end as object,
    t.account_id as account,
    case when stream = 'deploy' then list_filter([t.commit_ref, t.id], lambda x: x is not null) end as correlation_ids
from read
left join classed k using (action);
