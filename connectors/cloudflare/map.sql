-- What Cloudflare's audit logs mean. Sees raw(…) and the table action_class: what is a change, by type of resource and of
-- action. Version 2 says how the actor came (actor.context), version 1 whether by the dashboard (interface).

-- emits: change
with
r as (
    select
        record_id, stream,
        from_json(record, '{
            "id": "VARCHAR", "when": "VARCHAR", "interface": "VARCHAR",
            "account": {"id": "VARCHAR", "name": "VARCHAR"},
            "owner": {"id": "VARCHAR"},
            "zone": {"id": "VARCHAR", "name": "VARCHAR"},
            "metadata": {"zone_name": "VARCHAR"},
            "action": {"type": "VARCHAR", "result": "VARCHAR", "description": "VARCHAR", "time": "VARCHAR", "info": "VARCHAR"},
            "actor": {"id": "VARCHAR", "type": "VARCHAR", "email": "VARCHAR", "context": "VARCHAR", "token_id": "VARCHAR", "token_name": "VARCHAR"},
            "resource": {"id": "VARCHAR", "type": "VARCHAR", "product": "VARCHAR", "request": "JSON"},
            "raw": {"method": "VARCHAR", "uri": "VARCHAR", "status_code": "VARCHAR", "user_agent": "VARCHAR", "cf_ray_id": "VARCHAR"},
            "oldValue": "JSON", "newValue": "JSON", "oldValueJson": "JSON", "newValueJson": "JSON"
        }') as t
    from raw
),
read as (
    select
        record_id, stream, t,
        -- the product, and its kind of thing where that is more
        lower(coalesce(case
            when starts_with(lower(t.resource.type), lower(nullif(t.resource.product, ''))) then t.resource.type
            else nullif(concat_ws('.', nullif(t.resource.product, ''), nullif(t.resource.type, '')), '')
        end, 'account')) as resource_type,
        lower(coalesce(t.action.type, '')) as verb,
        lower(coalesce(t.action.result, '')) in ('failure', 'false') as failed,
        coalesce(t.zone.name, t.metadata.zone_name) as zone
    from r
),
-- the most telling line of the table for each action: an exact name before a pattern, then a type of resource before all of them, a long pattern before a short one
classed as (
    select a.resource_type, a.verb, k.category, k.operation, k.resource_type || ' ' || k.action as line
    from (select distinct resource_type, verb from read) a
    join action_class k on a.resource_type glob k.resource_type and a.verb glob k.action
    qualify row_number() over (
        partition by a.resource_type, a.verb
        order by telling(k.action)[1], telling(k.resource_type), telling(k.action)
    ) = 1
)
select
    record_id,
    make_utc(coalesce(t.action.time, t."when")) as occurred_at,
    'cloudflare' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case when failed then 'failed' else 'succeeded' end as outcome,
    case when failed then concat_ws(' ', 'status ' || t.raw.status_code, t.action.info) end as error,
    case
        when lower(t.actor.type) in ('system', 'cloudflare_admin') then 'service'
        -- a token that belongs to the account and to nobody
        when t.actor.type = 'account' then 'application'
        when t.actor.email is not null or t.actor.type = 'user' then 'person'
        else 'unknown'
    end as actor_type,
    case when t.actor.type = 'account' then coalesce(t.actor.token_id, t.actor.id) else coalesce(nullif(t.actor.email, ''), t.actor.id) end as actor_name,
    case when t.actor.type = 'account' then coalesce(t.actor.token_id, t.actor.id) end as actor_role,
    t.actor.token_id as session_key,
    -- Cloudflare, not the client, tells its dashboard from its interface
    t.actor.context = 'dash' or t.interface = 'UI' as console,
    case
        when lower(t.actor.type) in ('system', 'cloudflare_admin') then 'service'
        when t.actor.context = 'dash' or t.interface = 'UI' then 'console'
        when t.actor.context is not null or t.interface = 'API' then 'api'
        else 'unknown'
    end as channel,
    t.raw.user_agent as user_agent,
    resource_type || '.' || verb as action,
    case
        when k.operation is not null then k.operation
        when verb in ('create', 'add', 'rec_add') or verb like '%\_create' escape '\' or verb like '%\_created' escape '\' or verb like '%\_add' escape '\' then 'create'
        when verb in ('delete', 'remove', 'rec_del') or verb like '%\_delete' escape '\' or verb like '%\_del' escape '\' then 'delete'
        else 'update'
    end as operation,
    'cloudflare:' || resource_type || '/' || concat_ws('/', zone, t.resource.id) as resource,
    resource_type || '/' || concat_ws('/', zone, t.resource.id) as object,
    coalesce(t.account.id, t.owner.id) as account,
    diffs_text(case
        when t.oldValueJson is not null or t.newValueJson is not null then object_diffs(t.oldValueJson, t.newValueJson)
        when stream = 'v1' and coalesce(t.oldValue->>'$', '') <> coalesce(t.newValue->>'$', '') then [{'field': verb, 'old': t.oldValue, 'new': t.newValue}]
        when t.resource.request is not null then object_diffs(null::json, t.resource.request)
    end) as diffs
from read
left join classed k using (resource_type, verb);
