-- What OCSF events mean, versions 1.1 to 1.8, plain or in a CloudEvents wrapper. The class and activity say what was
-- done, in words that all producers share; the operation in the producer's own words is kept beside it.

-- emits: change
with
event as (
    select
        record_id, occurred_at,
        -- an event's data may be text in the wrapper
        case
            when (record->'$.data.class_uid') is not null then (record->'$.data')
            when json_type(record, '$.data') = 'VARCHAR' and (record->'$.class_uid') is null then coalesce(try_cast((record->>'$.data') as json), record::json)
            else record::json
        end as e
    from raw
),
r as (
    select
        record_id, occurred_at,
        e->>'$.class_uid' as class, coalesce(e->>'$.activity_id', '0') as activity,
        coalesce(nullif(e->>'$.activity_name', ''), nullif(e->>'$.type_name', '')) as activity_name,
        try_cast((e->>'$.time') as double) as time, e->>'$.time_dt' as time_text,
        e->>'$.status_id' as status, coalesce(nullif(e->>'$.api.response.error_message', ''), nullif(e->>'$.api.response.error', ''), nullif(e->>'$.status_detail', ''), nullif(e->>'$.status_code', '')) as error,
        coalesce(nullif(e->>'$.actor.user.email_addr', ''), nullif(e->>'$.actor.user.name', ''), nullif(e->>'$.actor.user.uid', '')) as person,
        e->>'$.actor.user.type_id' as person_type,
        coalesce(nullif(e->>'$.actor.app_name', ''), nullif(e->>'$.actor.application.name', ''), nullif(e->>'$.actor.invoked_by', '')) as app,
        nullif(e->>'$.actor.session.uid', '') as session_key,
        nullif(e->>'$.api.operation', '') as api_operation,
        e->>'$.http_request.user_agent' as user_agent,
        e->>'$.cloud.account.uid' as account, e->>'$.cloud.region' as region,
        coalesce(nullif(e->>'$.metadata.product.name', ''), nullif(e->>'$.metadata.product.vendor_name', ''), 'unknown') as product,
        nullif(e->>'$.metadata.correlation_uid', '') as correlation,
        -- what was touched: the entity, the resource, the account or group, the page
        coalesce(nullif(e->>'$.entity.type', ''), nullif(e->>'$.resources[0].type', ''), nullif(e->>'$.web_resources[0].type', ''), nullif(e->>'$.resource.type', ''),
            case when (e->'$.group') is not null then 'group' when (e->'$.user') is not null then 'user' when (e->'$.app') is not null then 'application' when (e->'$.file') is not null then 'file' end) as type,
        coalesce(nullif(e->>'$.entity.uid', ''), nullif(e->>'$.resources[0].uid', ''), nullif(e->>'$.web_resources[0].uid', ''), nullif(e->>'$.resource.uid', ''),
            nullif(e->>'$.group.uid', ''), nullif(e->>'$.user.uid', ''), nullif(e->>'$.app.uid', ''), nullif(e->>'$.file.uid', ''),
            nullif(e->>'$.entity.name', ''), nullif(e->>'$.resources[0].name', ''), nullif(e->>'$.web_resources[0].url_string', ''), nullif(e->>'$.web_resources[0].name', ''), nullif(e->>'$.resource.name', ''),
            nullif(e->>'$.group.name', ''), nullif(e->>'$.user.name', ''), nullif(e->>'$.user.email_addr', ''), nullif(e->>'$.app.name', ''), nullif(e->>'$.file.path', ''), nullif(e->>'$.http_request.url.path', '')) as id,
        -- some producers keep the result beside the entity, or the request and its answer
        coalesce(e->'$.entity.data', e->'$.api.request.data') as before,
        coalesce(e->'$.entity_result.data', e->'$.api.response.data') as after,
        (e->'$.entity_result') is not null as has_result
    from event
),
classed as (
    select r.*, k.category, k.operation, k.name as class_name, k.class || '/' || k.activity as classed_by
    from r
    left join class_activity k on r.class glob k.class and r.activity glob k.activity
    qualify row_number() over (partition by r.record_id order by position('*' in k.class) > 0, length(k.class) desc, position('*' in k.activity) > 0) = 1
),
told as (
    select
        *,
        trim(regexp_replace(lower(product), '[^a-z0-9]+', '-', 'g'), '-') as producer,
        lower(coalesce(type, 'object')) as kind,
        coalesce(api_operation, case when activity in ('0', '99') then activity_name end, class_name, 'class ' || class) as action
    from classed
)
select
    record_id,
    coalesce(make_utc(time_text),
        -- some producers write seconds
        case when time > 0 and time < 1e11 then make_timestamp((time * 1e6)::bigint) when time > 0 then make_timestamp((time * 1e3)::bigint) end,
        occurred_at) as occurred_at,
    -- a class that nobody knows is a change, loudly
    coalesce(category, 'change') as category,
    case status when '2' then 'failed' else 'succeeded' end as outcome,
    case when status = '2' then coalesce(error, 'failure') end as error,
    case
        when person is not null and person_type = '3' then 'service'
        when person is not null then 'person'
        when app is not null then 'application'
        else 'unknown'
    end as actor_type,
    coalesce(person, app) as actor_name,
    session_key, user_agent,
    case when person is not null and kind in (select c.type from content_type c) then 'content-editor' when person is not null or app is not null then 'api' else 'unknown' end as channel,
    action,
    case
        when regexp_matches(action, '(?i)unpublish') then 'unpublish'
        when regexp_matches(action, '(?i)publish') then 'publish'
        else coalesce(operation, 'other')
    end as operation,
    producer || ':' || kind || '/' || coalesce(id, '-') as resource,
    kind || '/' || coalesce(id, '-') as object,
    account, region,
    case when correlation is not null then [correlation] end as correlation_ids,
    case when has_result then to_json([{'field': kind, 'old': left(before::varchar, 2000), 'new': left(after::varchar, 2000)}])::varchar end as diffs,
    classed_by
from told;
