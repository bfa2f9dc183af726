-- What Activity Log records mean. Sees raw(source, record_id, occurred_at, unit, position, record) and the tables
-- beside this file: action_class (what is a change), application (well-known clients and services of Microsoft) and
-- status (what the words for a result mean). Records come as the REST interface has them (`"status": {"value": …}`),
-- or as diagnostic settings export them (`"resultType": …`, upper case, without ids of event and operation).
-- One operation is told by several records; which of them are one change is decided by change_key when all are known.
-- Resource Graph's changes (`"changeAttributes": …`) are what the resource was before and after: evidence.

-- emits: change
with
r as (
    select
        record_id, occurred_at, record,
        from_json(record, '{
            "eventTimestamp": "VARCHAR", "submissionTimestamp": "VARCHAR", "operationId": "VARCHAR", "correlationId": "VARCHAR", "caller": "VARCHAR", "description": "VARCHAR",
            "subscriptionId": "VARCHAR", "resourceGroupName": "VARCHAR", "resourceId": "VARCHAR", "tenantId": "VARCHAR",
            "operationName": {"value": "VARCHAR"}, "status": {"value": "VARCHAR"},
            "subStatus": {"value": "VARCHAR", "localizedValue": "VARCHAR"}, "category": {"value": "VARCHAR"}, "eventName": {"value": "VARCHAR"},
            "authorization": {"scope": "VARCHAR"}, "claims": "JSON",
            "properties": {"statusCode": "VARCHAR", "statusMessage": "VARCHAR", "eventCategory": "VARCHAR", "entity": "VARCHAR",
                "targetResourceId": "VARCHAR", "changeType": "VARCHAR", "changes": "JSON", "requestbody": "VARCHAR",
                "changeAttributes": {"timestamp": "VARCHAR", "correlationId": "VARCHAR", "operation": "VARCHAR", "changedBy": "VARCHAR",
                    "changedByType": "VARCHAR", "clientType": "VARCHAR"}}
        }') as t
    from raw
),
-- the same names hold plain texts in other exports
exported as (
    select
        record_id, occurred_at, t,
        case when t.eventTimestamp is null or t.operationName.value is null or t.status.value is null then from_json(record, '{
            "time": "VARCHAR", "operationName": "VARCHAR", "category": "VARCHAR", "status": "VARCHAR", "resultType": "VARCHAR",
            "resultSignature": "VARCHAR", "resultDescription": "VARCHAR", "identity": "JSON"
        }') end as f
    from r
    where t.properties.changeAttributes.timestamp is null
),
-- some exporters write the whole identity as text, or only its name
identified as (
    select
        *,
        from_json(case when json_type(f.identity) = 'VARCHAR' then try_cast(f.identity->>'$' as json) else f.identity end,
            '{"authorization": {"scope": "VARCHAR"}, "claims": "JSON"}') as i,
        case when json_type(f.identity) = 'VARCHAR' and (f.identity->>'$') not like '{%' then f.identity->>'$' end as identity_name
    from exported
),
read as (
    select
        record_id, occurred_at, t, f,
        lower(trim(coalesce(t.operationName.value, case when f.operationName not like '{%' then f.operationName end))) as name,
        lower(replace(coalesce(t.category.value, t.properties.eventCategory, case when f.category not like '{%' then f.category end, 'Administrative'), ' ', '')) as logged_as,
        nullif(lower(rtrim(coalesce(nullif(t.resourceId, ''), nullif(t.authorization.scope, ''), nullif(i.authorization.scope, ''), t.properties.entity, ''), '/')), '') as resource,
        coalesce(t.claims, i.claims) as claims,
        coalesce(nullif(t.caller, ''), identity_name, '') as caller
    from identified
),
-- what Resource Graph compared: one change of one resource; an id of zeros stands for none
compared as (
    select
        record_id, occurred_at,
        lower(rtrim(t.properties.targetResourceId, '/')) as resource,
        nullif(split_part(lower(t.properties.targetResourceId), '/', 3), '') as subscription,
        case when split_part(lower(t.properties.targetResourceId), '/', 4) = 'resourcegroups' then nullif(split_part(lower(t.properties.targetResourceId), '/', 5), '') end as resource_group,
        lower(t.properties.changeType) as change_type,
        case when t.properties.changeAttributes.correlationId ilike '%-%-%-%-%' and t.properties.changeAttributes.correlationId not like '00000000-0000-%' then lower(t.properties.changeAttributes.correlationId) end as correlation_id,
        case when t.properties.changeAttributes.operation like '%/%' then lower(t.properties.changeAttributes.operation) else 'microsoft.resources/changes' end as action,
        lower(nullif(t.properties.changeAttributes.changedBy, '')) as changed_by,
        lower(coalesce(t.properties.changeAttributes.changedByType, 'unspecified')) as changed_by_type,
        lower(t.properties.changeAttributes.clientType) as client,
        t.properties.changes as changes,
        coalesce(json_keys(t.properties.changes), []) as fields
    from r
    where t.properties.changeAttributes.timestamp is not null
),
-- claims by name; some exporters write the dots of a name as underscores, some the whole object as text
claimed as (
    select
        * exclude (claims),
        from_json(case when json_type(claims) = 'VARCHAR' then try_cast(claims->>'$' as json) else claims end, '{
            "appid": "VARCHAR", "azp": "VARCHAR", "idtyp": "VARCHAR", "xms_mirid": "VARCHAR", "uti": "VARCHAR", "name": "VARCHAR", "scp": "VARCHAR",
            "upn": "VARCHAR", "unique_name": "VARCHAR", "preferred_username": "VARCHAR", "email": "VARCHAR",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "VARCHAR", "http://schemas_xmlsoap_org/ws/2005/05/identity/claims/upn": "VARCHAR",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "VARCHAR", "http://schemas_xmlsoap_org/ws/2005/05/identity/claims/name": "VARCHAR",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": "VARCHAR", "http://schemas_xmlsoap_org/ws/2005/05/identity/claims/emailaddress": "VARCHAR",
            "http://schemas.microsoft.com/identity/claims/scope": "VARCHAR", "http://schemas_microsoft_com/identity/claims/scope": "VARCHAR",
            "http://schemas.microsoft.com/identity/claims/objectidentifier": "VARCHAR", "http://schemas_microsoft_com/identity/claims/objectidentifier": "VARCHAR",
            "http://schemas.microsoft.com/identity/claims/tenantid": "VARCHAR", "http://schemas_microsoft_com/identity/claims/tenantid": "VARCHAR"
        }') as c
    from read
),
named as (
    select
        * exclude (c),
        coalesce(case when starts_with(resource, '/subscriptions/') then nullif(split_part(resource, '/', 3), '') end, lower(nullif(t.subscriptionId, ''))) as subscription,
        coalesce(case when split_part(resource, '/', 4) = 'resourcegroups' then nullif(split_part(resource, '/', 5), '') end, lower(nullif(t.resourceGroupName, ''))) as resource_group,
        -- zeros stand for none
        case when t.operationId not like '00000000-0000-%' then lower(t.operationId) end as operation_id,
        case when t.correlationId not like '00000000-0000-%' then lower(t.correlationId) end as correlation_id,
        -- the class of an action goes by its verb: the last word, of actions the last two
        case when name like '%/action' then regexp_extract(name, '([^/]*/action)$', 1) else list_last(string_split(name, '/')) end as verb,
        case when name like '%/action' then regexp_replace(name, '/[^/]*/action$', '') else regexp_replace(name, '/[^/]*$', '') end as resource_type,
        -- exports of before 2018 have the verb as the category
        case when logged_as in ('write', 'delete', 'action', '') then 'administrative' else logged_as end as logged,
        lower(coalesce(c.appid, c.azp)) as app_id,
        lower(c.idtyp) as token_type,
        lower(c.xms_mirid) as managed_identity,
        nullif(c.uti, '') as token,
        coalesce(c."http://schemas.microsoft.com/identity/claims/scope", c."http://schemas_microsoft_com/identity/claims/scope", c.scp) as scope,
        coalesce(c."http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", c."http://schemas_xmlsoap_org/ws/2005/05/identity/claims/upn", c.upn) as upn,
        coalesce(
            c."http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", c."http://schemas_xmlsoap_org/ws/2005/05/identity/claims/name", c.unique_name,
            c.preferred_username, c."http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
            c."http://schemas_xmlsoap_org/ws/2005/05/identity/claims/emailaddress", c.email
        ) as other_name,
        c.name as display_name,
        lower(coalesce(c."http://schemas.microsoft.com/identity/claims/objectidentifier", c."http://schemas_microsoft_com/identity/claims/objectidentifier")) as object_id,
        lower(coalesce(c."http://schemas.microsoft.com/identity/claims/tenantid", c."http://schemas_microsoft_com/identity/claims/tenantid")) as token_tenant,
        caller
    from claimed
),
-- the most telling line of the table for each action: an exact name before a pattern, a long pattern before a short one
actions as (select distinct logged, resource_type, verb from named),
classed as (
    select a.logged as of_logged, a.resource_type as of_type, a.verb as of_verb, k.class, k.operation
    from actions a
    join action_class k on k.category = a.logged and a.resource_type glob k.resource_type and a.verb glob k.verb
    qualify row_number() over (
        partition by a.logged, a.resource_type, a.verb
        order by k.resource_type = '*', position('*' in k.resource_type) > 0, length(k.resource_type) desc, position('*' in k.verb) > 0, length(k.verb) desc
    ) = 1
),
judged as (
    select
        n.*,
        case when n.verb = 'slotsswap/action' then try_cast(n.t.properties.requestbody as json) end as body,
        k.class, k.operation as class_operation,
        app.kind as app_kind, app.name as app_name, app.channel as app_channel,
        -- the word for the result; in exports `Succeeded.Created`, else the status of the answer; a word that is not
        -- known is an end, unless the record says that it is a beginning
        coalesce(
            s1.outcome, s2.outcome, s3.outcome, s4.outcome,
            case when lower(n.t.eventName.value) = 'beginrequest' then 'pending' else 'succeeded' end
        ) as outcome,
        case
            -- the token says what it is; a name in it, or consent to act for one, is a person's
            when token_type = 'app' or managed_identity is not null then 'application'
            when token_type = 'user' or upn is not null or scope is not null then 'person'
            when n.app_id is not null and caller not like '%@%' then 'application'
            when caller like '%@%' then 'person'
            when caller ilike 'microsoft.%' or caller in ('Azure Policy', 'System') then 'service'
            -- an object id without a token: a machine, but which is not known
            when regexp_matches(caller, '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$') then 'workload'
            else 'unknown'
        end as token_of
    from named n
    left join classed k on k.of_logged is not distinct from n.logged and k.of_type is not distinct from n.resource_type and k.of_verb is not distinct from n.verb
    left join application app on app.app_id = n.app_id
    left join status s1 on s1.word = lower(coalesce(n.t.status.value, case when n.f.status not like '{%' then n.f.status end))
    left join status s2 on s2.word = lower(nullif(split_part(coalesce(n.f.resultSignature, ''), '.', 1), ''))
    left join status s3 on s3.word = lower(n.f.resultType)
    left join status s4 on s4.word = lower(coalesce(n.t.subStatus.value, n.t.properties.statusCode))
),
who as (
    select
        *,
        case
            when token_of <> 'application' then token_of
            -- the identity of a policy assignment acts for the policy engine
            when managed_identity like '%/providers/microsoft.authorization/policyassignments/%' then 'service'
            when app_kind = 'provider' then 'service'
            -- a service of Microsoft that acts for a person whom this log does not name
            when app_kind = 'intermediary' then 'unknown'
            -- Microsoft's own tenants: its services act in every customer's
            when token_tenant in ('f8cdef31-a31e-4b4a-93e4-5f571e91255a', '33e01921-4d64-4f8c-a055-5bdaffd5e33d')
                and token_tenant <> lower(coalesce(t.tenantId, '')) then 'service'
            else 'application'
        end as actor_type,
        -- named twice, in whatever letters, it could be either
        case when len(list_filter(json_keys(body), lambda k: lower(k) = 'targetslot')) = 1
            then json_extract_string(body, '/' || list_filter(json_keys(body), lambda k: lower(k) = 'targetslot')[1]) end as target_slot,
        coalesce(nullif(upn, ''), case when other_name like '%@%' then other_name end, case when caller like '%@%' then caller end, other_name, display_name, object_id, nullif(caller, '')) as person
    from judged
)
select
    record_id,
    occurred_at,
    'azure' as system,
    concat_ws('|', coalesce(subscription, ''), case when operation_id <> '' then operation_id else 'correlation:' || coalesce(nullif(correlation_id, ''), record_id) end, name, resource) as change_key,
    -- where the operation has no id, its copies are known by what they are about
    case when correlation_id <> '' then concat_ws('|', coalesce(subscription, ''), 'correlation:' || correlation_id, name, resource) end as copy_key,
    case when outcome <> 'pending' then occurred_at end as ended_at,
    f.time is null as owner,
    case
        when class is not null then class
        when logged <> 'administrative' then 'non-change'
        else 'change'
    end as category,
    outcome,
    case when outcome = 'failed' then left(concat_ws(': ',
        coalesce(nullif(t.subStatus.value, ''), nullif(t.properties.statusCode, ''), nullif(split_part(coalesce(f.resultSignature, ''), '.', 2), ''), t.status.value, f.resultType),
        coalesce(nullif(t.properties.statusMessage, ''), nullif(t.description, ''), nullif(f.resultDescription, ''))
    ), 2000) end as error,
    actor_type,
    case
        -- a guest's name holds the name at home: alice_example.org#EXT#@tenant.onmicrosoft.com, live.com#alice@example.org
        when actor_type = 'person' and person ilike '%#ext#@%' then regexp_replace(regexp_replace(person, '(?i)#ext#@.*$', ''), '_([^_]*)$', '@\1')
        when actor_type = 'person' then regexp_replace(person, '^(?i:live\.com|mail)#', '')
        when actor_type = 'service' then coalesce(app_name, managed_identity, display_name, nullif(caller, ''), app_id)
        when actor_type = 'unknown' then coalesce(app_name, nullif(caller, ''), display_name)
        else coalesce(managed_identity, display_name, object_id, nullif(lower(caller), ''), app_id)
    end as actor_name,
    case when actor_type = 'application' then app_id end as actor_role,
    case when actor_type = 'person' and person like '%#%' then person end as session_name,
    token as session_key,
    case when actor_type = 'service' then coalesce(app_name, managed_identity, nullif(caller, ''), app_id) end as invoked_by,
    actor_type = 'person' and coalesce(app_channel = 'console', false) as console,
    case
        when actor_type = 'service' then 'service'
        when actor_type = 'person' and app_channel is not null then app_channel
        when app_id is not null then 'api'
        else 'unknown'
    end as channel,
    name as action,
    case
        when class_operation is not null then class_operation
        when verb = 'delete' or regexp_matches(verb, '^(delete|remove|purge|destroy)[a-z]*/action$') then 'delete'
        when regexp_matches(verb, '^(create|add|restore|import)[a-z]*/action$') then 'create'
        when verb = 'write' or verb like '%/action' then 'update'
        else 'other'
    end as operation,
    coalesce(resource, '/subscriptions/' || subscription, '/') as resource,
    -- a slot is swapped with the slot that the request names, else with the live site
    case when name = 'microsoft.web/sites/slots/slotsswap/action' and resource like '%/slots/%' then [
        regexp_replace(resource, '/slots/[^/]*$', '') || case when lower(trim(target_slot)) not in ('', 'production') then '/slots/' || lower(trim(target_slot)) else '' end
    ] end as further_resources,
    subscription,
    resource_group,
    case when correlation_id <> '' then [correlation_id] end as correlation_ids,
    -- what a template deployment makes (its modules too), a stack makes or takes away, or the end of a resource group takes with
    -- it, has its correlation id, and its caller
    case when name in (
        'microsoft.resources/deployments/write', 'microsoft.resources/deploymentstacks/write', 'microsoft.resources/deploymentstacks/delete',
        'microsoft.resources/subscriptions/resourcegroups/delete'
    ) then '/correlation/' || nullif(correlation_id, '') end as starts_operation,
    '/correlation/' || nullif(correlation_id, '') as part_of,
    case when correlation_id <> '' then 'caller' end as on_behalf_of,
    null as diffs,
    make_utc(t.submissionTimestamp) as available_at
from who
union all by name
select
    record_id, occurred_at, 'azure' as system, 'evidence' as category,
    -- the key by which an exported record of the same operation goes
    case when correlation_id is not null then concat_ws('|', subscription, 'correlation:' || correlation_id, action, resource) end as change_key,
    change_key as copy_key,
    case changed_by_type when 'user' then 'person' when 'application' then 'application' when 'system' then 'service' else 'unknown' end as actor_type,
    coalesce(changed_by, changed_by_type) as actor_name,
    case when changed_by_type = 'application' then changed_by end as actor_role,
    case when changed_by_type = 'system' then coalesce(changed_by, 'Azure') end as invoked_by,
    changed_by_type = 'user' and client = 'azure portal' as console,
    case when client = 'azure portal' then 'console' when client in ('azure cli', 'azure powershell') then 'cli' when changed_by_type = 'system' then 'service' else 'api' end as channel,
    action,
    case change_type when 'create' then 'create' when 'delete' then 'delete' else 'update' end as operation,
    resource, subscription, resource_group,
    case when correlation_id is not null then [correlation_id] end as correlation_ids,
    to_json([
        {'field': field, 'old': changes->field->>'previousValue', 'new': changes->field->>'newValue'} for field in fields
    ])::varchar as diffs
from compared;
