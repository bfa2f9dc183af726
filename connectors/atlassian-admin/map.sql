-- What an Atlassian organisation's audit log means. Sees raw(…) and the table action_class: what is a change. The log also
-- tells what people do in Jira and Confluence (who has Atlassian Guard Premium): that is their daily work.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR",
            "attributes": {
                "time": "VARCHAR", "action": "VARCHAR",
                "actor": {"id": "VARCHAR", "name": "VARCHAR", "email": "VARCHAR", "type": "VARCHAR"},
                "context": [{"id": "VARCHAR", "type": "VARCHAR", "attributes": {"name": "VARCHAR", "email": "VARCHAR"}}],
                "container": [{"id": "VARCHAR", "type": "VARCHAR", "attributes": {"siteName": "VARCHAR", "siteHostName": "VARCHAR"}}]
            }
        }').attributes as t
    from raw
),
-- the most telling line of the table for each action
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct t.action as action from r) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by telling(k.action)) = 1
)
select
    record_id,
    make_utc(t."time") as occurred_at,
    'atlassian' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case
        when t.actor.type = 'system' then 'service'
        when t.actor.type = 'app' then 'application'
        when t.actor.email is not null or t.actor.type = 'user' then 'person'
        else 'unknown'
    end as actor_type,
    -- a name is whatever its owner calls himself; the account id is not
    coalesce(nullif(t.actor.email, ''), t.actor.id, t.actor.name) as actor_name,
    'unknown' as channel,
    t.action as action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(t.action, '(created|added|invited|generated)$') then 'create'
        when regexp_matches(t.action, '(deleted|removed|revoked)$') then 'delete'
        else 'update'
    end as operation,
    'atlassian:' || coalesce(t.context[1].type || '/' || t.context[1].id, t.container[1].type || '/' || t.container[1].id, 'organisation') as resource,
    coalesce(t.context[1].type || '/' || t.context[1].id, t.container[1].type || '/' || t.container[1].id, 'organisation') as object,
    coalesce(t.container[1].attributes.siteHostName, t.container[1].attributes.siteName, t.container[1].id) as account
from r
left join classed k on k.action = t.action;
