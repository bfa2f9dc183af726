-- What Auth0's tenant logs mean. Sees raw(…) and the table action_class: what is a change, by type and description. Changes
-- to the tenant are operations of its Management API (type sapi, failed fapi), whoever asked for them and from where; all else
-- is what users of the service do, or what befalls the tenant, and evidence where the table does not know it.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "log_id": "VARCHAR", "date": "VARCHAR", "type": "VARCHAR", "description": "VARCHAR", "tenant_name": "VARCHAR",
            "user_id": "VARCHAR", "user_name": "VARCHAR", "client_id": "VARCHAR", "client_name": "VARCHAR", "user_agent": "VARCHAR",
            "details": {"request": {"method": "VARCHAR", "path": "VARCHAR", "channel": "VARCHAR", "body": "JSON", "auth": {"user": {"user_id": "VARCHAR", "email": "VARCHAR", "name": "VARCHAR"}}}, "response": {"statusCode": "VARCHAR"}}
        }') as t
    from raw
),
read as (
    select
        record_id, t, t.details.request as q,
        lower(coalesce(t.type, '')) as kind,
        t.type in ('sapi', 'fapi') as is_api,
        case when t.type in ('sapi', 'fapi') then lower(coalesce(t.description, t.details.request.method || ' ' || t.details.request.path)) else lower(t.type) end as action,
        coalesce(t.details.request.auth.user.user_id, t.user_id) as acting
    from r
),
-- the most telling line of the table for each action: an exact name before a pattern, then a type before all of them, a long pattern before a short one
classed as (
    select a.kind, a.action, k.category, k.operation, k.type || ': ' || k.action as line
    from (select distinct kind, action from read) a
    join action_class k on a.kind glob k.type and a.action glob k.action
    qualify row_number() over (
        partition by a.kind, a.action
        order by telling(k.action)[1], telling(k.type)[1], telling(k.action), telling(k.type)
    ) = 1
)
select
    record_id,
    make_utc(t."date") as occurred_at,
    'auth0' as system,
    coalesce(k.category, case when is_api then 'change' else 'evidence' end) as category,
    'action_class:' || k.line as classed_by,
    -- the codes of what failed begin with an f
    case when starts_with(kind, 'f') then 'failed' else 'succeeded' end as outcome,
    case when starts_with(kind, 'f') then concat_ws(' ', 'status ' || t.details.response.statusCode, t.description) end as error,
    case
        when acting like '%@clients' then 'application'
        when coalesce(q.auth.user.email, q.auth.user.name, t.user_name, acting) is not null then 'person'
        when t.client_id is not null then 'application'
        else 'unknown'
    end as actor_type,
    case
        when acting like '%@clients' then replace(acting, '@clients', '')
        else coalesce(q.auth.user.email, q.auth.user.name, t.user_name, acting, t.client_id)
    end as actor_name,
    case when acting like '%@clients' then replace(acting, '@clients', '') when acting is null then t.client_id end as actor_role,
    case
        when starts_with(q.channel, 'https://manage.auth0.com') then 'console'
        when is_api then 'api'
        else 'unknown'
    end as channel,
    t.user_agent,
    action,
    case
        when k.operation is not null then k.operation
        when q.method = 'delete' then 'delete'
        when q.method = 'post' then 'create'
        else 'update'
    end as operation,
    'auth0:' || case when is_api then regexp_replace(coalesce(q.path, ''), '^/api/v2/', '') else kind || '/' || coalesce(t.user_id, '') end as resource,
    case when is_api then regexp_replace(coalesce(q.path, ''), '^/api/v2/', '') else kind || '/' || coalesce(t.user_id, '') end as object,
    t.tenant_name as account,
    diffs_text(case when is_api then object_diffs(null::json, q.body) end) as diffs
from read
left join classed k using (kind, action);
