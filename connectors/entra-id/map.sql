-- What Entra ID tells, told apart by content: the audit log (`activityDateTime`), sign-ins (`createdDateTime` and a
-- token's id), and applications with their federated credentials. Table action_class: which activities are daily
-- business (some only where somebody does them for themselves), and which more than an update. Unknown activities are changes.

-- emits: change
with
r as (
    select record_id, occurred_at, unit, stream, from_json(record, '{
        "createdDateTime": "VARCHAR", "servicePrincipalName": "VARCHAR", "servicePrincipalId": "VARCHAR", "appId": "VARCHAR", "status": {"errorCode": "BIGINT"},
        "activityDateTime": "VARCHAR", "activityDisplayName": "VARCHAR", "category": "VARCHAR", "correlationId": "VARCHAR",
        "result": "VARCHAR", "resultReason": "VARCHAR", "operationType": "VARCHAR", "loggedByService": "VARCHAR",
        "initiatedBy": {
            "user": {"id": "VARCHAR", "userPrincipalName": "VARCHAR", "displayName": "VARCHAR"},
            "app": {"appId": "VARCHAR", "displayName": "VARCHAR", "servicePrincipalId": "VARCHAR", "servicePrincipalName": "VARCHAR"}
        },
        "targetResources": [{
            "id": "VARCHAR", "displayName": "VARCHAR", "type": "VARCHAR", "userPrincipalName": "VARCHAR",
            "modifiedProperties": [{"displayName": "VARCHAR", "oldValue": "VARCHAR", "newValue": "VARCHAR"}]
        }],
        "additionalDetails": [{"key": "VARCHAR", "value": "VARCHAR"}]
    }') as t
    from raw
),
audited as (
    select
        record_id, occurred_at, t,
        -- some names end in a space, some have a long dash
        trim(replace(t.activityDisplayName, '–', '-')) as action,
        coalesce(t.targetResources, []) as targets,
        nullif(t.initiatedBy.user.userPrincipalName, '') as upn,
        coalesce(nullif(t.initiatedBy.user.userPrincipalName, ''), nullif(t.initiatedBy.user.displayName, ''), nullif(t.initiatedBy.user.id, '')) as person,
        t.initiatedBy.app as app
    from r
    where t.activityDateTime is not null
),
-- what was changed: a member is added to a group, so the group
aimed as (
    select
        *,
        coalesce(list_filter(targets, lambda x: lower(coalesce(x.type, '')) not in ('user', 'device', 'other', ''))[1], targets[1]) as target,
        -- whoever did it is the only person whom it is about: what somebody does for another is an administrator's doing
        nullif(t.initiatedBy.user.id, '') is not null
            and list_distinct([lower(x.id) for x in targets if lower(x.type) = 'user']) = [lower(t.initiatedBy.user.id)] as own
    from audited
),
classed as (
    select
        a.*,
        k.category as class, k.operation as class_operation,
        lower(replace(coalesce(a.target.type, 'directory'), ' ', '')) || '/' || coalesce(nullif(a.target.id, ''), nullif(a.target.displayName, ''), '') as object
    from aimed a
    left join action_class k on lower(a.action) glob lower(k.action) and (k.whose is distinct from 'own' or a.own)
    qualify row_number() over (partition by a.record_id order by telling(k.action)) = 1
)
select
    record_id,
    coalesce(make_utc(t.activityDateTime), occurred_at) as occurred_at,
    coalesce(class, 'change') as category,
    case when lower(t.result) in ('failure', 'timeout') then 'failed' else 'succeeded' end as outcome,
    case when lower(t.result) in ('failure', 'timeout') then left(coalesce(nullif(t.resultReason, ''), t.result), 2000) end as error,
    case
        when person is not null then 'person'
        -- what has no identity in this tenant is Microsoft's own
        when app is not null and coalesce(nullif(app.appId, ''), nullif(app.servicePrincipalId, '')) is null then 'service'
        when app is not null then 'application'
        else 'unknown'
    end as actor_type,
    case
        when person ilike '%#ext#@%' then regexp_replace(regexp_replace(person, '(?i)#ext#@.*$', ''), '_([^_]*)$', '@\1')
        else coalesce(person, nullif(app.displayName, ''), app.servicePrincipalName, app.servicePrincipalId, app.appId)
    end as actor_name,
    case when person is null then lower(coalesce(nullif(app.appId, ''), nullif(app.servicePrincipalId, ''))) end as actor_role,
    case when upn like '%#%' then upn end as session_name,
    case when person is null and app is not null and coalesce(nullif(app.appId, ''), nullif(app.servicePrincipalId, '')) is null then coalesce(app.displayName, 'Microsoft Entra ID') end as invoked_by,
    case when person is null and app is not null then 'api' else 'unknown' end as channel,
    list_filter(t.additionalDetails, lambda x: lower(x.key) = 'user-agent')[1].value as user_agent,
    action,
    coalesce(class_operation, case lower(t.operationType)
        when 'add' then 'create' when 'create' then 'create' when 'delete' then 'delete' when 'harddelete' then 'delete'
        when 'assign' then 'permission' when 'unassign' then 'permission' else 'update'
    end) as operation,
    'entra:' || object as resource,
    object,
    case when t.correlationId <> '' then [lower(t.correlationId)] end as correlation_ids,
    -- old and new are JSON inside of text; who was added or removed is a target without properties of its own
    to_json(list_concat(
        flatten([[{
            'field': p.displayName,
            'old': case when json_valid(p.oldValue) and json_type(p.oldValue::json) = 'VARCHAR' then p.oldValue::json->>'$' else p.oldValue end,
            'new': case when json_valid(p.newValue) and json_type(p.newValue::json) = 'VARCHAR' then p.newValue::json->>'$' else p.newValue end
        } for p in coalesce(x.modifiedProperties, [])] for x in targets]),
        case when len(targets) > 1 then [
            {
                'field': lower(coalesce(x.type, 'target')),
                'old': case when regexp_matches(action, '(?i)^(remove|delete)') then coalesce(x.userPrincipalName, x.displayName, x.id) end,
                'new': case when not regexp_matches(action, '(?i)^(remove|delete)') then coalesce(x.userPrincipalName, x.displayName, x.id) end
            } for x in targets if x.id is distinct from target.id
        ] else [] end
    ))::varchar as diffs,
    coalesce('action_class: ' || class, 'no line of action_class') as classed_by
from classed
union all by name
-- sign-ins, and what applications are: no changes, but evidence of who is behind one
select
    record_id,
    coalesce(make_utc(t.createdDateTime), occurred_at, make_utc(list_last(string_split(unit, '/'))), timestamp '0001-01-01') as occurred_at,
    case when t.createdDateTime is null then 'evidence' when coalesce(t.status.errorCode, 0) = 0 then 'session' else 'non-change' end as category,
    case when coalesce(t.status.errorCode, 0) = 0 then 'succeeded' else 'failed' end as outcome,
    case when t.createdDateTime is null then 'unknown' else 'application' end as actor_type,
    case when t.createdDateTime is not null then coalesce(nullif(t.servicePrincipalName, ''), t.appId) end as actor_name,
    case when t.createdDateTime is not null then lower(t.appId) end as actor_role,
    case when stream = 'members' then 'member as it is' when stream = 'service-principals' then 'service principal as it is' when t.createdDateTime is null then 'application as it is' else 'sign-in' end as action,
    'other' as operation,
    case when stream = 'members' then 'entra:group/' || split_part(split_part(record_id, '/', 2), ':', 1) when stream = 'service-principals' then 'entra:serviceprincipal/' || split_part(split_part(record_id, '/', 2), '@', 1)
        when t.createdDateTime is null then 'entra:application/' || coalesce(t.appId, '') else 'entra:serviceprincipal/' || coalesce(lower(t.servicePrincipalId), '') end as resource
from r
where t.activityDateTime is null;

-- emits: session
with
r as (
    select record_id, occurred_at, unit, from_json(record, '{
        "createdDateTime": "VARCHAR", "uniqueTokenIdentifier": "VARCHAR", "appId": "VARCHAR", "appDisplayName": "VARCHAR",
        "servicePrincipalId": "VARCHAR", "servicePrincipalName": "VARCHAR", "federatedCredentialId": "VARCHAR", "status": {"errorCode": "BIGINT"},
        "federatedIdentityCredentials": [{"id": "VARCHAR", "issuer": "VARCHAR", "subject": "VARCHAR"}]
    }') as t
    from raw
),
-- a token's id is the 22 letters that the token itself has as `uti`; some answers spell out the number that they stand for
numbered as (
    select *, try(decode(from_base64(t.uniqueTokenIdentifier))) as spelt
    from r
    where t.uniqueTokenIdentifier is not null and length(t.uniqueTokenIdentifier) = 48
),
spelt as (
    select record_id, replace(spelt, '-', '') as hex from numbered where regexp_matches(spelt, '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$')
),
token as (
    select
        record_id,
        rtrim(translate(to_base64(unhex(
            hex[7:8] || hex[5:6] || hex[3:4] || hex[1:2] || hex[11:12] || hex[9:10] || hex[15:16] || hex[13:14] || hex[17:32]
        )), '+/', '-_'), '=') as uti
    from spelt
)
select
    r.record_id,
    coalesce(make_utc(t.createdDateTime), r.occurred_at) as occurred_at,
    'azure' as system,
    coalesce(k.uti, t.uniqueTokenIdentifier) as issued_key,
    lower(t.servicePrincipalId) as issued_name,
    case when t.federatedCredentialId <> '' then 'federated' else 'application' end as caller_type,
    coalesce(nullif(t.servicePrincipalName, ''), nullif(t.appDisplayName, ''), t.appId) as caller_name,
    lower(nullif(t.federatedCredentialId, '')) as credential,
    null as provider,
    null as subject
from r
left join token k on k.record_id = r.record_id
where t.uniqueTokenIdentifier <> '' and coalesce(t.status.errorCode, 0) = 0
union all by name
-- what was seen now may hold since the snapshot before, whose time the unit has; the first has none
select
    record_id,
    coalesce(make_utc(list_last(string_split(unit, '/'))), timestamp '0001-01-01') as occurred_at,
    'azure' as system,
    'federated' as caller_type,
    lower(c.id) as credential,
    c.issuer as provider,
    c.subject as subject
from (select record_id, unit, unnest(t.federatedIdentityCredentials) as c from r)
where c.id is not null
union all by name
-- Which application a service principal is: the same whenever it acts. Those of Microsoft's own tenants are Microsoft's.
select
    record_id, timestamp '0001-01-01' as occurred_at,
    lower(t.id) as issued_key,
    case when t.appOwnerOrganizationId in ('f8cdef31-a31e-4b4a-93e4-5f571e91255a', '72f988bf-86f1-41af-91ab-2d7cd011db47') then 'service' else 'application' end as caller_type,
    lower(t.appId) as caller_name
from (
    select record_id, from_json(record, '{"id": "VARCHAR", "appId": "VARCHAR", "appOwnerOrganizationId": "VARCHAR"}') as t
    from raw where stream = 'service-principals' and not deleted
)
where t.id <> '' and t.appId <> ''
union all by name
select record_id, coalesce(make_utc(t.createdDateTime), occurred_at) as occurred_at, lower(t.servicePrincipalId) as issued_key,
       'application' as caller_type, lower(t.appId) as caller_name
from r
where t.servicePrincipalId <> '' and t.appId <> '' and t.createdDateTime is not null
qualify row_number() over (partition by lower(t.servicePrincipalId) order by t.createdDateTime, record_id) = 1;

-- emits: membership
-- Snapshots say who is in a group; the audit log, when somebody was put into it or taken out, by whatever time it reaches back.
with
r as (
    select record_id, occurred_at, item, first, deleted, from_json(case when deleted then previous else record end, '{"id": "VARCHAR", "displayName": "VARCHAR", "userPrincipalName": "VARCHAR", "mail": "VARCHAR",
        "@odata.type": "VARCHAR"}') as t
    from raw where stream = 'members'
),
told as (
    select record_id, occurred_at, lower(trim(record->>'$.activityDisplayName')) as action, lower(record->>'$.result') as result,
           from_json(json_extract(record, '$.targetResources'), '[{"id": "VARCHAR", "type": "VARCHAR", "userPrincipalName": "VARCHAR",
               "modifiedProperties": [{"displayName": "VARCHAR", "oldValue": "VARCHAR", "newValue": "VARCHAR"}]}]') as targets
    from raw where stream = 'audits' and (record->>'$.activityDisplayName') ilike '%member%group%'
)
select record_id, item as group_id, null::varchar as group_name, t.id as member_id, t.displayName as member_name,
       [t.userPrincipalName, t.mail] as identities, not deleted as is_member, occurred_at as told_at, first as is_first
from r
-- what a token may not look into has no type, and counts: its id is a member's
where coalesce(t."@odata.type", '#microsoft.graph.user') = '#microsoft.graph.user'
union all by name
select record_id, trim(coalesce(p.newValue, p.oldValue), '"') as group_id, x.id as member_id, null::varchar as member_name, [x.userPrincipalName] as identities,
       action = 'add member to group' as is_member, occurred_at as told_at, false as is_first
from (
    select record_id, occurred_at, action, x, unnest(x.modifiedProperties) as p
    from (select record_id, occurred_at, action, unnest(targets) as x from told where action in ('add member to group', 'remove member from group') and result = 'success')
    where lower(x.type) = 'user'
)
where p.displayName = 'Group.ObjectID';
