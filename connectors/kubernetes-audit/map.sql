-- What Kubernetes' audit events mean. Sees raw(…) and two tables: action_class (what is a change, by verb and resource) and
-- platform (the cluster's own components). One request is told stage by stage: its end counts, the rest is evidence. Opening
-- a shell is entering live, and so is getting a token for a service account: who got it is behind what is done with it. Where
-- AWS vouched for the caller, its role or user is who acts, whatever the cluster calls them.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "auditID": "VARCHAR", "stage": "VARCHAR", "verb": "VARCHAR", "requestURI": "VARCHAR", "userAgent": "VARCHAR",
            "requestReceivedTimestamp": "VARCHAR", "stageTimestamp": "VARCHAR",
            "user": {"username": "VARCHAR", "uid": "VARCHAR", "groups": ["VARCHAR"],
                "extra": {"arn": ["VARCHAR"], "accessKeyId": ["VARCHAR"], "authentication.kubernetes.io/credential-id": ["VARCHAR"]}},
            "impersonatedUser": {"username": "VARCHAR"},
            "objectRef": {"resource": "VARCHAR", "namespace": "VARCHAR", "name": "VARCHAR", "apiGroup": "VARCHAR", "subresource": "VARCHAR"},
            "responseStatus": {"code": "INTEGER", "reason": "VARCHAR", "message": "VARCHAR"},
            "annotations": {"authorization.k8s.io/decision": "VARCHAR"}
        }') as t
    from raw
),
told as (
    select
        record_id, t,
        lower(coalesce(t.verb, 'unknown')) as verb,
        lower(concat_ws('/', coalesce(t.objectRef.resource, 'url'), t.objectRef.subresource)) as resource_type,
        coalesce(t."user".username, '') as username,
        -- as AWS's sign-in tells it; else the name itself may be it, in which some characters of a session's name are others
        list_filter([t."user".extra.arn[1], t."user".username], lambda x: regexp_matches(x, '^arn:[^:]*:(sts|iam)::[^:]*:.'))[1] as arn,
        coalesce(t.responseStatus.code, 0) as code
    from r
),
components as (
    select distinct u.username
    from (select distinct username from told) u
    join platform p on u.username glob p.username
),
read as (
    select
        told.*,
        c.username is not null as is_platform,
        username like 'system:serviceaccount:%' as is_account,
        -- no controller needs a token for an account
        case when is_platform and not (is_account and resource_type = 'serviceaccounts/token') then 'platform' when is_account then 'machine' else '*' end as who,
        -- the API server's own ways of writing try without keeping; a deletion with a body does not look at the address, and
        -- what an extension makes of such an address under another name nobody knows
        coalesce(regexp_matches(t.requestURI, '[?&]dryRun=All(&|$)'), false) and verb in ('create', 'update', 'patch')
            and t.objectRef.resource is not null and regexp_matches(resource_type, '^[^/]+(/(status|scale|eviction))?$') as is_dry_run
    from told
    left join components c using (username)
),
-- the most telling line of the table: a resource before all of them, then who, then a verb, a long pattern before a short one;
-- the platform is machines too, and a read is one of whatever it reads, but for ways in, which some open by reading
classed as (
    select a.verb, a.resource_type, a.who, k.category, k.operation, k.who || ' ' || k.verb || ' ' || k.resource as line
    from (select distinct verb, resource_type, who from read) a
    join action_class k on a.verb glob k.verb and a.resource_type glob k.resource and (k.who in ('*', a.who) or (k.who = 'machine' and a.who = 'platform'))
    qualify row_number() over (
        partition by a.verb, a.resource_type, a.who
        order by k.resource = '*' and k.category <> 'read', k.who = '*', k.verb = '*' and k.operation is distinct from 'access', length(k.resource) desc, length(k.verb) desc
    ) = 1
)
select
    record_id,
    make_utc(coalesce(t.requestReceivedTimestamp, t.stageTimestamp)) as occurred_at,
    'kubernetes' as system,
    concat_ws('|', t.auditID, t.requestReceivedTimestamp, username, t.verb, t.requestURI) as change_key,
    -- what is only tried changes nothing, but no address makes less of a shell; a shell's beginning is its entry; of everything
    -- else the end is
    case
        when read.is_dry_run and k.operation is distinct from 'access' then 'read'
        when t.stage = 'ResponseComplete' or t.stage = 'Panic' then coalesce(k.category, 'change')
        when t.stage = 'ResponseStarted' and k.operation = 'access' then coalesce(k.category, 'change')
        else 'evidence'
    end as category,
    case when read.is_dry_run and k.operation is distinct from 'access' then 'dry run' else 'action_class:' || k.line end as classed_by,
    case when code >= 400 or t.stage = 'Panic' then 'failed' else 'succeeded' end as outcome,
    case when code >= 400 or t.stage = 'Panic' then concat_ws(' ', code, t.responseStatus.reason, t.responseStatus.message) end as error,
    case
        when read.is_platform then 'service'
        when is_account then 'application'
        when regexp_matches(arn, ':(assumed-role|role)/') then 'role'
        when contains(arn, ':user/') then 'user'
        when arn like '%:root' then 'root'
        when arn is not null then 'unknown'
        when username like '%.gserviceaccount.com' then 'application'
        -- nobody, a certificate that people share, or a component that is not known
        when username like 'system:%' or username in ('kubernetes-admin', 'kubernetes-super-admin', 'masterclient', 'cluster-admin') then 'unknown'
        when username <> '' then 'person'
        else 'unknown'
    end as actor_type,
    -- whoever impersonates is who acts
    case when actor_type in ('role', 'user', 'root') then arn else nullif(username, '') end as actor_name,
    case
        -- that a session is Identity Center's only its own name says
        when actor_type = 'role' and contains(arn, ':assumed-role/AWSReservedSSO_') then regexp_extract(arn, '^(.*:assumed-role/[^/]+)', 1)
        when actor_type = 'role' then regexp_replace(arn, '^arn:([^:]*):sts::([^:]*):assumed-role/([^/]+).*$', 'arn:\1:iam::\2:role/\3')
        when actor_type = 'application' then lower(username)
    end as actor_role,
    -- who took a role chose this name
    case when actor_type = 'role' then nullif(regexp_extract(arn, ':assumed-role/[^/]+/(.+)$', 1), '') end as session_name,
    case
        when is_account then nullif(t."user".extra."authentication.kubernetes.io/credential-id"[1], '')
        when arn is not null and actor_type not in ('service', 'application') then nullif(t."user".extra.accessKeyId[1], '')
    end as session_key,
    case
        when t.userAgent ilike 'kubectl/%' then 'cli'
        when regexp_matches(t.userAgent, '(?i)^(terraform|helm|pulumi|argocd|flux)') then 'iac'
        when read.is_platform then 'service'
        else 'api'
    end as channel,
    t.userAgent as user_agent,
    read.verb || ' ' || read.resource_type as action,
    case
        when k.operation is not null then k.operation
        when read.verb = 'create' then 'create'
        when read.verb in ('delete', 'deletecollection') then 'delete'
        else 'update'
    end as operation,
    'kubernetes:' || concat_ws('/', t.objectRef.namespace, read.resource_type, coalesce(t.objectRef.name, case when t.objectRef.resource is null then t.requestURI end)) as resource,
    concat_ws('/', t.objectRef.namespace, read.resource_type, coalesce(t.objectRef.name, case when t.objectRef.resource is null then t.requestURI end)) as object,
    t.objectRef.namespace as account,
    -- not as the name of a session: whoever impersonates chose it
    diffs_text(case when t.impersonatedUser.username is not null then [{'field': 'impersonated', 'old': null, 'new': t.impersonatedUser.username}] end) as diffs
from read
left join classed k on k.verb = read.verb and k.resource_type = read.resource_type and k.who = read.who;

-- emits: session
-- Who got a token for a service account: what the API server notes of the token it issued, it notes of whoever comes with it.
-- The tokens that the platform gets for pods and controllers are the accounts' own.
with
r as (
    select
        record_id,
        from_json(record, '{
            "requestReceivedTimestamp": "VARCHAR", "stageTimestamp": "VARCHAR",
            "user": {"username": "VARCHAR", "extra": {"arn": ["VARCHAR"], "accessKeyId": ["VARCHAR"], "authentication.kubernetes.io/credential-id": ["VARCHAR"]}},
            "objectRef": {"namespace": "VARCHAR", "name": "VARCHAR"},
            "annotations": {"authentication.kubernetes.io/issued-credential-id": "VARCHAR"}
        }') as t
    from raw
    where record like '%authentication.kubernetes.io/issued-credential-id%'
),
issued as (
    select
        record_id, t, t."user".username as username, t."user".extra as extra,
        list_filter([t."user".extra.arn[1], t."user".username], lambda x: regexp_matches(x, '^arn:[^:]*:(sts|iam)::[^:]*:.'))[1] as arn
    from r
    where t.annotations."authentication.kubernetes.io/issued-credential-id" <> ''
)
select
    record_id,
    make_utc(coalesce(t.requestReceivedTimestamp, t.stageTimestamp)) as occurred_at,
    'kubernetes' as system,
    t.annotations."authentication.kubernetes.io/issued-credential-id" as issued_key,
    concat_ws(':', 'system:serviceaccount', t.objectRef.namespace, t.objectRef.name) as issued_name,
    case
        when username like 'system:serviceaccount:%' or username like '%.gserviceaccount.com' then 'application'
        when regexp_matches(arn, ':(assumed-role|role)/') then 'role'
        when contains(arn, ':user/') then 'user'
        when arn like '%:root' then 'root'
        when arn is not null or username like 'system:%' or username in ('kubernetes-admin', 'kubernetes-super-admin', 'masterclient', 'cluster-admin') then 'unknown'
        else 'person'
    end as caller_type,
    coalesce(arn, username) as caller_name,
    case
        when caller_type = 'role' and contains(arn, ':assumed-role/AWSReservedSSO_') then regexp_extract(arn, '^(.*:assumed-role/[^/]+)', 1)
        when caller_type = 'role' then regexp_replace(arn, '^arn:([^:]*):sts::([^:]*):assumed-role/([^/]+).*$', 'arn:\1:iam::\2:role/\3')
        when caller_type = 'application' then lower(username)
    end as caller_role,
    case when caller_type = 'role' then nullif(regexp_extract(arn, ':assumed-role/[^/]+/(.+)$', 1), '') end as caller_session,
    case when caller_type = 'application' then extra."authentication.kubernetes.io/credential-id"[1] else extra.accessKeyId[1] end as caller_key
from issued
left join (select distinct i.username from issued i join platform p on i.username glob p.username) component using (username)
where component.username is null or username like 'system:serviceaccount:%';
