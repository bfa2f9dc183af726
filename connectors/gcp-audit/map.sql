-- What Cloud Audit Logs mean. Sees raw(…) and two tables: action_class (what is a change, by log and method) and agent
-- (domains of Google's own accounts). A long operation is told by two entries, the first and the last: they are one change.
-- A person who acts through a service account is who acts; without one it is the account, whoever got its token for it.
-- What its clusters tell (service k8s.io) means what it does in Kubernetes' own log: the tables k8s_platform and
-- k8s_action_class are those of kubernetes-audit.

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
                "authenticationInfo": {"principalEmail": "VARCHAR", "principalSubject": "VARCHAR",
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
        coalesce(t.protoPayload.serviceName = 'k8s.io', false) as in_cluster,
        -- what only looks is called so in the last part of its name, in the case in which it stands there (Listeners are no List);
        -- whoever is let through to a website visits it, and has no hands in the machine behind it
        not in_cluster and (
            regexp_matches(method, '(^|\.)([Gg]et|[Ll]ist|[Ss]earch)([A-Z][^.]*)?$') and not regexp_matches(method, '([Gg]et|[Ll]ist|[Ss]earch)(Or|And)[A-Z][^.]*$')
            or ends_with(method, 'AuthorizeUser') and coalesce(starts_with(t.protoPayload.authorizationInfo[1].permission, 'iap.web'), false)
        ) as reads,
        -- all who are named: as whom it was done, and those who delegated, in their order
        list_filter(list_prepend(
            coalesce(nullif(t.protoPayload.authenticationInfo.principalEmail, ''), nullif(t.protoPayload.authenticationInfo.principalSubject, '')),
            list_transform(
                coalesce(t.protoPayload.authenticationInfo.serviceAccountDelegationInfo, []),
                lambda x: coalesce(nullif(x.firstPartyPrincipal.principalEmail, ''), nullif(x.principalSubject, ''))
            )
        ), lambda x: x is not null) as named,
        -- what an identity provider outside vouches for; the pools of clusters are Google's own
        list_filter(named, lambda x: regexp_matches(x, '/workloadIdentityPools/[^/]+/subject/.') and not contains(x, '.svc.id.goog/'))[1] as federated,
        coalesce(t.operation."first", false) as begins,
        coalesce(t.operation."last", false) as ends,
        case t.protoPayload.status.code when 0 then null else t.protoPayload.status.code end as failure
    from r
),
-- what each of them is; of the table an exact domain comes before a pattern
parties as (
    select n.name, case
            when a.runs = 'google' or n.name in (select c.name from (select distinct unnest(named) as name from read) c join k8s_platform k on c.name glob k.username) then 'service'
            when n.name like 'system:serviceaccount:%' then 'application'
            when n.name like '%.gserviceaccount.com' or n.name like 'serviceAccount:%' or n.name like '%/workloadIdentityPools/%' then 'application'
            when n.name like '%@%' or n.name like 'user:%' or n.name like '%/workforcePools/%' then 'person'
            else 'unknown'
        end as kind
    from (select distinct unnest(named) as name from read) n
    left join agent a on lower(split_part(n.name, '@', 2)) glob a.domain
    qualify row_number() over (partition by n.name order by position('*' in a.domain) > 0) = 1
),
-- A person may stand anywhere in a delegation, and is behind it wherever they stand. Else it is as whom it was done: an agent
-- of Google's in the list only got the token, and as an agent it was done by itself unless an account is behind it.
acting as (
    select
        n.record_id,
        coalesce(list_sort(list(distinct n.name) filter (p.kind = 'person')), []) as people,
        case len(people) when 0 then arg_min(n.name, (p.kind = 'service', n.place)) else array_to_string(people, ' or ') end as principal,
        -- where several are left nobody is accused
        case len(people) when 0 then arg_min(p.kind, (p.kind = 'service', n.place)) when 1 then 'person' else 'unknown' end as kind
    from (select record_id, unnest(named) as name, generate_subscripts(named, 1) as place from read) n
    join parties p using (name)
    group by n.record_id
),
-- io.k8s.GROUP.VERSION.RESOURCE.VERB, of groups that are not Kubernetes' own their name before the version; with what is done
-- to a part of a resource as RESOURCE.PART
clustered as (
    select
        record_id,
        lower(regexp_extract(method, '\.([^.]+)$', 1)) as verb,
        lower(replace(regexp_extract(method, '^.+\.v\d+(?:(?:alpha|beta)\d+)?\.(.+)\.[^.]+$', 1), '.', '/')) as resource_type,
        acting.principal like 'system:serviceaccount:%' as is_account,
        case when acting.kind = 'service' and not (is_account and resource_type = 'serviceaccounts/token') then 'platform' when is_account then 'machine' else '*' end as who
    from read
    left join acting using (record_id)
    where in_cluster
),
-- the most telling line, as in kubernetes-audit
clustered_class as (
    select a.verb, a.resource_type, a.who, k.category, k.operation, k.who || ' ' || k.verb || ' ' || k.resource as line
    from (select distinct verb, resource_type, who from clustered) a
    join k8s_action_class k on a.verb glob k.verb and a.resource_type glob k.resource and (k.who in ('*', a.who) or (k.who = 'machine' and a.who = 'platform'))
    qualify row_number() over (
        partition by a.verb, a.resource_type, a.who
        order by k.resource = '*' and k.category <> 'read', k.who = '*', k.verb = '*' and k.operation is distinct from 'access', length(k.resource) desc, length(k.verb) desc
    ) = 1
),
-- the most telling line of the table for each method: an exact name before a pattern, a long pattern before a short one, a log before all of them
classed as (
    select a.*, k.category, k.operation, k.log || ' ' || k.method as line
    from (select distinct log, method, reads, in_cluster from read where not reads and not in_cluster) a
    join action_class k on a.log glob k.log and lower(a.method) glob lower(k.method)
    qualify row_number() over (
        partition by a.log, a.method
        order by telling(k.method), telling(k.log)
    ) = 1
)
select
    record_id,
    make_utc(t."timestamp") as occurred_at,
    'gcp' as system,
    -- the two ends of a long operation, else the entry itself
    case when t.operation.id is not null and begins <> ends then concat_ws('|', t.resource.labels.project_id, t.operation.id, method) end as change_key,
    case when reads then 'read' when in_cluster then coalesce(c.category, 'change') else coalesce(k.category, 'change') end as category,
    case when reads then 'method ' || regexp_extract(method, '[^.]+$') else coalesce('k8s_action_class:' || c.line, 'action_class:' || k.line) end as classed_by,
    case
        when failure is not null or log = 'policy' then 'failed'
        when begins and not ends then 'pending'
        else 'succeeded'
    end as outcome,
    case when failure is not null or log = 'policy' then concat_ws(': ', failure, p.status.message) end as error,
    case when ends and not begins then make_utc(t."timestamp") end as ended_at,
    case
        when log = 'system_event' then 'service'
        else coalesce(acting.kind, 'unknown')
    end as actor_type,
    regexp_replace(principal, '^(user|serviceAccount):', '') as actor_name,
    case when principal like '%.gserviceaccount.com' or principal like 'serviceAccount:%' or principal like '%/workloadIdentityPools/%' then lower(regexp_replace(principal, '^serviceAccount:', '')) when actor_type = 'application' then lower(principal) end as actor_role,
    -- an account that was lent to a federated identity leads to its subject; a token lives an hour. An account's own key is no session's
    case when acting.kind = 'application' then federated || coalesce(' as ' || nullif(named[1], federated), '') || strftime(make_utc(t."timestamp"), ' %Y-%m-%dT%H') end as session_key,
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
        when c.operation is not null then c.operation
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
left join acting using (record_id)
left join classed k using (log, method, reads, in_cluster)
left join clustered using (record_id)
left join clustered_class c on c.verb = clustered.verb and c.resource_type = clustered.resource_type and c.who = clustered.who;

-- emits: session
-- The record of a change says itself which outside identity its token was made for: one row for each of these, each account
-- and hour.
with
r as (
    select record_id, from_json(record, '{
        "timestamp": "VARCHAR",
        "protoPayload": {"authenticationInfo": {"principalEmail": "VARCHAR", "principalSubject": "VARCHAR",
            "serviceAccountDelegationInfo": [{"principalSubject": "VARCHAR", "firstPartyPrincipal": {"principalEmail": "VARCHAR"}}]}}
    }') as t
    from raw
    where record like '%/workloadIdentityPools/%'
),
read as (
    select
        record_id, make_utc(t."timestamp") as occurred_at,
        list_filter(list_prepend(
            coalesce(nullif(t.protoPayload.authenticationInfo.principalEmail, ''), nullif(t.protoPayload.authenticationInfo.principalSubject, '')),
            list_transform(
                coalesce(t.protoPayload.authenticationInfo.serviceAccountDelegationInfo, []),
                lambda x: coalesce(nullif(x.firstPartyPrincipal.principalEmail, ''), nullif(x.principalSubject, ''))
            )
        ), lambda x: x is not null) as named,
        list_filter(named, lambda x: regexp_matches(x, '/workloadIdentityPools/[^/]+/subject/.') and not contains(x, '.svc.id.goog/'))[1] as federated,
        federated || coalesce(' as ' || nullif(named[1], federated), '') || strftime(make_utc(t."timestamp"), ' %Y-%m-%dT%H') as credential
    from r
)
select
    record_id, occurred_at, 'gcp' as system,
    credential as issued_key,
    named[1] as issued_name,
    'federated' as caller_type,
    federated as caller_name,
    regexp_extract(federated, '^(.*/workloadIdentityPools/[^/]+)/subject/', 1) as provider,
    regexp_extract(federated, '/workloadIdentityPools/[^/]+/subject/(.+)$', 1) as subject
from read
where federated is not null
qualify row_number() over (partition by credential order by occurred_at, record_id) = 1;
