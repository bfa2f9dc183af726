-- What Google Workspace's activities mean. Sees raw(…) and the table action_class: what is a change, by application and
-- event. One activity may hold several events: each is a change of its own, with a key of its own.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": {"time": "VARCHAR", "uniqueQualifier": "VARCHAR", "applicationName": "VARCHAR", "customerId": "VARCHAR"},
            "actor": {"callerType": "VARCHAR", "email": "VARCHAR", "profileId": "VARCHAR", "key": "VARCHAR",
                "applicationInfo": {"oauthClientId": "VARCHAR", "applicationName": "VARCHAR", "impersonation": "BOOLEAN"}},
            "events": [{"type": "VARCHAR", "name": "VARCHAR", "parameters": [{"name": "VARCHAR", "value": "VARCHAR", "intValue": "VARCHAR", "boolValue": "VARCHAR", "multiValue": ["VARCHAR"]}]}]
        }') as t
    from raw
),
-- an activity without an event is one all the same
held as (
    select
        record_id, t, case when len(t.events) > 0 then t.events else [null] end as events,
        -- by domain-wide delegation: who is named was not there
        coalesce(t.actor.applicationInfo.impersonation, false) as impersonated
    from r
),
told as (
    select record_id, t, impersonated, unnest(events) as e, generate_subscripts(events, 1) as n
    from held
),
read as (
    select
        record_id, t, impersonated, e, n,
        lower(concat_ws('.', t.id.applicationName, e.name)) as action,
        -- the bag of named values as two lists: the first of a name counts
        [p.name for p in e.parameters] as names,
        [coalesce(p.value, p.boolValue, p.intValue) for p in e.parameters] as vals
    from told
),
named as (
    select
        * exclude (names, vals),
        coalesce(
            vals[list_position(names, 'GROUP_EMAIL')], vals[list_position(names, 'group_id')], vals[list_position(names, 'USER_EMAIL')], vals[list_position(names, 'user_email')],
            vals[list_position(names, 'ROLE_NAME')], vals[list_position(names, 'DOMAIN_NAME')], vals[list_position(names, 'ORG_UNIT_NAME')], vals[list_position(names, 'app_name')], vals[list_position(names, 'doc_id')], 'customer'
        ) as object_id,
        coalesce(vals[list_position(names, 'SETTING_NAME')], vals[list_position(names, 'ROLE_NAME')], vals[list_position(names, 'PRIVILEGE_NAME')], e.name) as field,
        vals[list_position(names, 'OLD_VALUE')] as old_value,
        vals[list_position(names, 'NEW_VALUE')] as new_value
    from read
),
-- the most telling line of the table for each action
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct action from named) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by telling(k.action)) = 1
)
select
    record_id,
    make_utc(t.id."time") as occurred_at,
    'google-workspace' as system,
    record_id || '#' || n as change_key,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case
        when impersonated and t.actor.applicationInfo.oauthClientId is not null then 'application'
        when impersonated then 'unknown'
        when t.actor.email like '%.gserviceaccount.com' then 'application'
        when t.actor.email is not null then 'person'
        when t.actor.key = 'SYSTEM' then 'service'
        when t.actor.callerType = 'KEY' then 'application'
        else 'unknown'
    end as actor_type,
    -- what an application calls itself says nothing
    case when impersonated then t.actor.applicationInfo.oauthClientId else coalesce(t.actor.email, t.actor.key, t.actor.profileId) end as actor_name,
    case when impersonated then 'api' when t.actor.key = 'SYSTEM' and t.actor.email is null then 'service' when t.actor.email like '%.gserviceaccount.com' then 'api' else 'unknown' end as channel,
    action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(action, '\.(create|add|upload)_') then 'create'
        when regexp_matches(action, '\.(delete|remove|revoke)_') then 'delete'
        else 'update'
    end as operation,
    'google-workspace:' || lower(coalesce(e.type, t.id.applicationName)) || '/' || object_id as resource,
    lower(coalesce(e.type, t.id.applicationName)) || '/' || object_id as object,
    t.id.customerId as account,
    diffs_text(case when old_value is not null or new_value is not null then [{'field': field, 'old': old_value, 'new': new_value}] end) as diffs
from named
left join classed k using (action);
