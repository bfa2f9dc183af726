-- What Cloud Audit Logs mean. Sees raw(…) and the table action_class: what is a change, by log and method. A long operation
-- is told by two entries, the first and the last: they are one change. Who acts through a service account is who began the
-- delegation.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "logName": "VARCHAR", "timestamp": "VARCHAR", "insertId": "VARCHAR", "severity": "VARCHAR",
            "resource": {"type": "VARCHAR", "labels": {"project_id": "VARCHAR", "location": "VARCHAR", "zone": "VARCHAR", "region": "VARCHAR"}},
            "operation": {"id": "VARCHAR", "first": "BOOLEAN", "last": "BOOLEAN"},
            "protoPayload": {
                "serviceName": "VARCHAR", "methodName": "VARCHAR", "resourceName": "VARCHAR",
                "status": {"code": "INTEGER", "message": "VARCHAR"},
                "authenticationInfo": {"principalEmail": "VARCHAR", "principalSubject": "VARCHAR", "serviceAccountKeyName": "VARCHAR",
                    "serviceAccountDelegationInfo": [{"principalSubject": "VARCHAR", "firstPartyPrincipal": {"principalEmail": "VARCHAR"}}]},
                "authorizationInfo": [{"permission": "VARCHAR", "permissionType": "VARCHAR"}],
                "requestMetadata": {"callerIp": "VARCHAR", "callerSuppliedUserAgent": "VARCHAR"},
                "request": "JSON",
                "serviceData": {"policyDelta": {"bindingDeltas": [{"action": "VARCHAR", "role": "VARCHAR", "member": "VARCHAR"}]}},
                "metadata": "JSON"
            }
        }') as t
    from raw
),
read as (
    select
        record_id, t, t.protoPayload as p,
        list_last(string_split(replace(t.logName, '%2F', '/'), '/')) as log,
        coalesce(t.protoPayload.methodName, 'unnamed') as method,
        -- the first of a delegation is who began it; a service account that nobody delegated to acts for itself
        coalesce(
            nullif(t.protoPayload.authenticationInfo.serviceAccountDelegationInfo[1].firstPartyPrincipal.principalEmail, ''),
            nullif(t.protoPayload.authenticationInfo.serviceAccountDelegationInfo[1].principalSubject, ''),
            nullif(t.protoPayload.authenticationInfo.principalEmail, ''),
            nullif(t.protoPayload.authenticationInfo.principalSubject, '')
        ) as principal,
        coalesce(t.operation."first", false) as begins,
        coalesce(t.operation."last", false) as ends,
        case t.protoPayload.status.code when 0 then null else t.protoPayload.status.code end as failure
    from r
),
-- the most telling line of the table for each method: an exact name before a pattern, a long pattern before a short one, a log before all of them
classed as (
    select a.log, a.method, k.category, k.operation, k.log || ' ' || k.method as line
    from (select distinct log, method from read) a
    join action_class k on a.log glob k.log and lower(a.method) glob lower(k.method)
    qualify row_number() over (
        partition by a.log, a.method
        order by position('*' in k.method) > 0, length(k.method) desc, k.log = '*'
    ) = 1
)
select
    record_id,
    make_utc(t."timestamp") as occurred_at,
    'gcp' as system,
    -- the two ends of a long operation, else the entry itself
    case when t.operation.id is not null and begins <> ends then concat_ws('|', t.resource.labels.project_id, t.operation.id, method) end as change_key,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case
        when failure is not null or log = 'policy' then 'failed'
        when begins and not ends then 'pending'
        else 'succeeded'
    end as outcome,
    case when failure is not null or log = 'policy' then concat_ws(': ', failure, p.status.message) end as error,
    case when ends and not begins then make_utc(t."timestamp") end as ended_at,
    case
        when log = 'system_event' then 'service'
        -- Google's own agents: numbered accounts in projects that are Google's
        when regexp_matches(principal, '^(service-\d+@gcp-sa-[a-z0-9-]+\.iam|\d+@cloudservices)\.gserviceaccount\.com$') then 'service'
        when principal like '%.gserviceaccount.com' or principal like 'serviceAccount:%' or principal like '%/workloadIdentityPools/%' then 'application'
        when principal like '%@%' or principal like 'user:%' or principal like '%/workforcePools/%' then 'person'
        else 'unknown'
    end as actor_type,
    regexp_replace(principal, '^(user|serviceAccount):', '') as actor_name,
    case when principal like '%.gserviceaccount.com' or principal like 'serviceAccount:%' or principal like '%/workloadIdentityPools/%' then lower(regexp_replace(principal, '^serviceAccount:', '')) end as actor_role,
    p.authenticationInfo.serviceAccountKeyName as session_key,
    case
        when log = 'system_event' then 'service'
        when regexp_matches(p.requestMetadata.callerSuppliedUserAgent, '(?i)terraform|pulumi') then 'iac'
        when p.requestMetadata.callerSuppliedUserAgent ilike '%google-cloud-sdk%' then 'cli'
        when p.requestMetadata.callerSuppliedUserAgent ilike 'mozilla/%' then 'console'
        else 'api'
    end as channel,
    p.requestMetadata.callerSuppliedUserAgent as user_agent,
    method as action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(lower(method), '(^|\.)(create|insert|add|import|enable)[a-z]*$') then 'create'
        when regexp_matches(lower(method), '(^|\.)(delete|remove|destroy|purge|disable)[a-z]*$') then 'delete'
        else 'update'
    end as operation,
    'gcp:' || coalesce('//' || p.serviceName || '/', '') || coalesce(p.resourceName, '') as resource,
    coalesce(p.serviceName || '/', '') || coalesce(p.resourceName, '') as object,
    t.resource.labels.project_id as account,
    coalesce(t.resource.labels.location, t.resource.labels.region, t.resource.labels.zone) as region,
    diffs_text(list_transform(p.serviceData.policyDelta.bindingDeltas, lambda b: {
        'field': b.role,
        'old': case when b.action = 'REMOVE' then b.member end,
        'new': case when b.action = 'ADD' then b.member end
    })) as diffs
from read
left join classed k using (log, method);
