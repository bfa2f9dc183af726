-- What Zendesk's audit log means. Sees raw(…) and the table action_class: what is a change, by what was touched and how.
-- Tickets and end users are daily work; rules, settings, applications, roles and tokens are changes.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR", "created_at": "VARCHAR", "action": "VARCHAR", "actor_id": "VARCHAR", "actor_name": "VARCHAR",
            "source_id": "VARCHAR", "source_type": "VARCHAR", "source_label": "VARCHAR", "change_description": "VARCHAR", "ip_address": "VARCHAR"
        }') as t
    from raw
),
read as (
    select
        record_id, t,
        lower(coalesce(t.source_type, 'account') || '.' || coalesce(t.action, 'unnamed'))
            -- a user's role is a right, the rest of a user is not (Carole is no role)
            || case when t.source_type = 'user' and regexp_matches(t.change_description, '(?i)(^|[^a-z])roles?([^a-z]|$)') then '.role' else '' end as action,
        lower(coalesce(t.source_type, 'account')) || '/' || coalesce(t.source_id, '') as object
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
    make_utc(t.created_at) as occurred_at,
    'zendesk' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case when t.actor_id in ('-1', '0') then 'service' when t.actor_id is not null then 'person' else 'unknown' end as actor_type,
    -- names can be changed by their owners
    case when t.actor_id in ('-1', '0') then 'zendesk' else t.actor_id end as actor_name,
    'unknown' as channel,
    action,
    case
        when k.operation is not null then k.operation
        when t.action = 'create' then 'create'
        when t.action = 'destroy' then 'delete'
        else 'update'
    end as operation,
    'zendesk:' || object as resource,
    object,
    diffs_text([{'field': t.source_label, 'old': null, 'new': t.change_description}]) as diffs
from read
left join classed k using (action);
