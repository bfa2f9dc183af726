-- What Fastly's events mean. Sees raw(…) and the table action_class: what is a change to live. What is edited in a version
-- is a draft until version.activate; dictionaries, access lists and tokens take effect at once.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR",
            "attributes": {"created_at": "VARCHAR", "event_type": "VARCHAR", "description": "VARCHAR", "customer_id": "VARCHAR", "service_id": "VARCHAR", "user_id": "VARCHAR", "token_id": "VARCHAR", "admin": "BOOLEAN", "ip": "VARCHAR", "metadata": "JSON"}
        }').attributes as t
    from raw
),
read as (
    select record_id, t, lower(coalesce(t.event_type, 'unnamed')) as action, nullif(t.service_id, '') as service
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
    'fastly' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case
        when t.admin then 'service'
        when nullif(t.user_id, '') is not null then 'person'
        when nullif(t.token_id, '') is not null then 'application'
        else 'unknown'
    end as actor_type,
    case when t.admin then 'fastly' else coalesce(nullif(t.user_id, ''), nullif(t.token_id, '')) end as actor_name,
    case when t.admin then 'service' when nullif(t.token_id, '') is not null then 'api' else 'unknown' end as channel,
    nullif(t.token_id, '') as session_key,
    action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(action, '\.(create|add)$') then 'create'
        when regexp_matches(action, '\.(delete|destroy|remove)$') then 'delete'
        else 'update'
    end as operation,
    'fastly:' || coalesce('service/' || service || '/', '') || split_part(action, '.', 1) as resource,
    coalesce('service/' || service || '/', '') || split_part(action, '.', 1) as object,
    t.customer_id as account,
    diffs_text(object_diffs(null::json, t.metadata)) as diffs
from read
left join classed k using (action);
