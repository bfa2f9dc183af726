-- What Slack's audit logs mean. Sees raw(…) and the table action_class: what is a change. Conversation, files and channels
-- are daily work; settings, applications, roles and connections with other organisations are changes.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR", "date_create": "BIGINT", "action": "VARCHAR",
            "actor": {"type": "VARCHAR", "user": {"id": "VARCHAR", "name": "VARCHAR", "email": "VARCHAR"}},
            "entity": {"type": "VARCHAR", "user": {"id": "VARCHAR", "email": "VARCHAR"}, "workspace": {"id": "VARCHAR"}, "enterprise": {"id": "VARCHAR"}, "app": {"id": "VARCHAR"}, "channel": {"id": "VARCHAR"}, "file": {"id": "VARCHAR"}, "usergroup": {"id": "VARCHAR"}, "workflow": {"id": "VARCHAR"}, "role": {"id": "VARCHAR"}},
            "context": {"ua": "VARCHAR", "session_id": "VARCHAR", "app": {"id": "VARCHAR"}, "location": {"id": "VARCHAR", "domain": "VARCHAR"}},
            "details": {"new_value": "JSON", "previous_value": "JSON"}
        }') as t
    from raw
),
read as (
    select
        record_id, t, lower(coalesce(t.action, 'unnamed')) as action,
        coalesce(t.entity.type, 'enterprise') || '/' || coalesce(t.entity.app.id, t.entity.user.id, t.entity.channel.id, t.entity.usergroup.id, t.entity.file.id, t.entity.workflow.id, t.entity.role.id, t.entity.workspace.id, t.entity.enterprise.id, '') as object
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
    epoch_ms(t.date_create * 1000) as occurred_at,
    'slack' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case when coalesce(t.actor."user".email, t.actor."user".id) is not null then 'person' when t.actor.type = 'system' then 'service' else 'unknown' end as actor_type,
    coalesce(t.actor."user".email, t.actor."user".id, t.actor.type) as actor_name,
    case when t.context.app.id is not null then 'api' else 'unknown' end as channel,
    t.context.session_id as session_key,
    t.context.ua as user_agent,
    action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(action, '(created?|added|installed|invited)$') then 'create'
        when regexp_matches(action, '(deleted|removed|uninstalled|revoked)$') then 'delete'
        else 'update'
    end as operation,
    'slack:' || object as resource,
    object,
    coalesce(t.context.location.domain, t.context.location.id) as account,
    diffs_text(case when t.details.new_value is not null or t.details.previous_value is not null then [{'field': action, 'old': t.details.previous_value, 'new': t.details.new_value}] end) as diffs
from read
left join classed k using (action);
