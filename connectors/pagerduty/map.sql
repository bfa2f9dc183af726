-- What PagerDuty's audit records mean. Sees raw(…) and the table action_class: what is a change. Overrides of a rota and
-- how a person is called are daily work; services, escalation, members, their roles and keys are changes.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR", "execution_time": "VARCHAR", "action": "VARCHAR",
            "execution_context": {"request_id": "VARCHAR"},
            "actors": [{"id": "VARCHAR", "type": "VARCHAR", "summary": "VARCHAR"}],
            "method": {"type": "VARCHAR", "truncated_token": "VARCHAR", "description": "VARCHAR"},
            "root_resource": {"id": "VARCHAR", "type": "VARCHAR", "summary": "VARCHAR"},
            "details": {
                "resource": {"id": "VARCHAR", "type": "VARCHAR"},
                "fields": [{"name": "VARCHAR", "value": "VARCHAR", "before_value": "VARCHAR"}],
                "references": [{"name": "VARCHAR", "added": [{"id": "VARCHAR"}], "removed": [{"id": "VARCHAR"}]}]
            }
        }') as t
    from raw
),
read as (
    select
        record_id, t,
        replace(coalesce(t.details.resource.type, t.root_resource.type, 'unknown'), '_reference', '') || '.' || lower(coalesce(t.action, 'unnamed'))
            -- a role is a right, the rest of a person is not
            || case when list_contains([lower(f.name) for f in t.details.fields], 'role') then '.role' else '' end as action,
        replace(coalesce(t.root_resource.type, 'unknown'), '_reference', '') || '/' || coalesce(t.root_resource.id, '') as object
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
    make_utc(t.execution_time) as occurred_at,
    'pagerduty' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case
        when t.actors[1].type = 'user_reference' then 'person'
        when t.actors[1].type in ('api_key_reference', 'app_reference') then 'application'
        when t.method.type in ('identity_provider') then 'application'
        else 'unknown'
    end as actor_type,
    -- names can be changed by their owners
    coalesce(t.actors[1].id, t.actors[1].summary, t.method.description) as actor_name,
    t.method.type = 'browser' as console,
    case when t.method.type = 'browser' then 'console' when t.method.type in ('api_token', 'oauth', 'identity_provider') then 'api' else 'unknown' end as channel,
    action,
    case
        when k.operation is not null then k.operation
        when t.action in ('create', 'delete') then t.action
        else 'update'
    end as operation,
    'pagerduty:' || object as resource,
    object,
    diffs_text(list_concat(
        list_transform(t.details.fields, lambda f: {'field': f.name, 'old': f.before_value, 'new': f.value}),
        list_transform(t.details."references", lambda f: {'field': f.name, 'old': array_to_string([x.id for x in f.removed], ','), 'new': array_to_string([x.id for x in f.added], ',')})
    )) as diffs
from read
left join classed k using (action);
