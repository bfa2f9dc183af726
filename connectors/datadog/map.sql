-- What Datadog's audit trail means. Sees raw(…) and the tables action_class (what is a change, by kind of event and of asset,
-- and by what was done) and post_path (what is asked for by POST and is no change). Dashboards and notebooks are daily work; monitors, access, keys, integrations are changes.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR",
            "attributes": {"timestamp": "VARCHAR", "service": "VARCHAR", "message": "VARCHAR", "attributes": {
                "action": "VARCHAR", "status": "VARCHAR", "auth_method": "VARCHAR",
                "evt": {"name": "VARCHAR", "actor": {"type": "VARCHAR"}},
                "usr": {"id": "VARCHAR", "email": "VARCHAR"},
                "asset": {"id": "VARCHAR", "type": "VARCHAR", "name": "VARCHAR", "prev_value": "JSON", "new_value": "JSON"},
                "http": {"method": "VARCHAR", "status_code": "VARCHAR", "useragent": "VARCHAR", "url_details": {"path": "VARCHAR"}},
                "org": {"uuid": "VARCHAR"},
                "metadata": {"api_key": {"id": "VARCHAR"}, "application_key": {"id": "VARCHAR"}, "dd_service_account": "BOOLEAN"}
            }}
        }').attributes as e
    from raw
),
read as (
    select
        r.record_id, r.e, r.e.attributes as t,
        lower(replace(coalesce(r.e.attributes.evt.name, 'unnamed'), ' ', '_')) || '.' || lower(coalesce(nullif(r.e.attributes.asset.type, ''), 'account')) as what,
        -- of all that is asked of its API Datadog says `accessed`: the method says what it was
        lower(coalesce(
            case when lower(r.e.attributes.evt.name) = 'request' then coalesce(p.means, r.e.attributes.http.method) end,
            r.e.attributes.action, r.e.attributes.http.method, 'done'
        )) as verb,
        what || '.' || verb as action,
        lower(coalesce(nullif(r.e.attributes.asset.type, ''), 'account')) || '/' || coalesce(r.e.attributes.asset.id, r.e.attributes.asset.name, ltrim(r.e.attributes.http.url_details.path, '/'), '') as object
    from r
    left join post_path p on r.e.attributes.http.method = 'POST' and r.e.attributes.http.url_details.path = p.path
),
-- the most telling line of the table for each action: looking at something is reading it whatever it is, so a verb that is
-- named goes before a pattern of the object
classed as (
    select a.what, a.verb, k.category, k.operation, k.what || ' ' || k.verb as line
    from (select distinct what, verb from read) a
    join action_class k on a.what glob k.what and a.verb glob k.verb
    qualify row_number() over (partition by a.what, a.verb order by telling(k.verb)[1], telling(k.what), telling(k.verb)) = 1
)
select
    record_id,
    make_utc(e."timestamp") as occurred_at,
    'datadog' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case when lower(t.status) = 'error' or try_cast(t.http.status_code as integer) >= 400 then 'failed' else 'succeeded' end as outcome,
    case when lower(t.status) = 'error' or try_cast(t.http.status_code as integer) >= 400 then concat_ws(' ', t.http.status_code, e.message) end as error,
    case
        when t.evt.actor.type in ('SUPPORT_USER', 'SYSTEM', 'DATADOG') then 'service'
        when t.evt.actor.type in ('SERVICE_ACCOUNT', 'API_KEY') or t.metadata.dd_service_account then 'application'
        when coalesce(t.usr.email, t.usr.id) is not null then 'person'
        when t.metadata.api_key.id is not null then 'application'
        else 'unknown'
    end as actor_type,
    coalesce(t.usr.email, t.usr.id, t.metadata.application_key.id, t.metadata.api_key.id) as actor_name,
    case when t.auth_method in ('API_AND_APP_KEY', 'API_KEY', 'OAUTH') then 'api' when t.auth_method = 'SESSION' then 'console' else 'unknown' end as channel,
    coalesce(t.metadata.application_key.id, t.metadata.api_key.id) as session_key,
    t.http.useragent as user_agent,
    action,
    case
        when k.operation is not null then k.operation
        when verb in ('created', 'post') then 'create'
        when verb in ('deleted', 'delete') then 'delete'
        else 'update'
    end as operation,
    'datadog:' || object as resource,
    object,
    t.org.uuid as account,
    diffs_text(case
        when json_type(t.asset.prev_value) = 'OBJECT' or json_type(t.asset.new_value) = 'OBJECT' then object_diffs(t.asset.prev_value, t.asset.new_value)
        when t.asset.prev_value is not null or t.asset.new_value is not null then [{'field': action, 'old': t.asset.prev_value, 'new': t.asset.new_value}]
    end) as diffs
from read
left join classed k using (what, verb);
