-- What CloudTrail records mean. Sees raw(source, record_id, occurred_at, unit, position, record) and action_class,
-- the table beside this file. The rule for what is a change, in order: the table; a service's own log categories;
-- what the record says of itself (readOnly); for old records that say nothing, the name's first word.

-- emits: change
with
r as (
    select record_id, occurred_at, unit, from_json(record, '{
        "eventTime": "VARCHAR", "eventID": "VARCHAR", "eventSource": "VARCHAR", "eventName": "VARCHAR", "awsRegion": "VARCHAR",
        "sourceIPAddress": "VARCHAR", "userAgent": "VARCHAR", "errorCode": "VARCHAR", "errorMessage": "VARCHAR",
        "readOnly": "VARCHAR", "eventType": "VARCHAR", "eventCategory": "VARCHAR", "managementEvent": "VARCHAR",
        "recipientAccountId": "VARCHAR", "sharedEventID": "VARCHAR", "sessionCredentialFromConsole": "VARCHAR",
        "userIdentity": {
            "type": "VARCHAR", "principalId": "VARCHAR", "arn": "VARCHAR", "accountId": "VARCHAR", "accessKeyId": "VARCHAR",
            "userName": "VARCHAR", "invokedBy": "VARCHAR", "onBehalfOf": {"userId": "VARCHAR"},
            "sessionContext": {
                "sessionIssuer": {"type": "VARCHAR", "arn": "VARCHAR", "userName": "VARCHAR"},
                "attributes": {"creationDate": "VARCHAR"},
                "sourceIdentity": "VARCHAR", "ec2RoleDelivery": "VARCHAR"
            }
        },
        "requestParameters": "JSON", "responseElements": "JSON", "resources": [{"ARN": "VARCHAR", "accountId": "VARCHAR"}]
    }') as t
    from raw
),
named as (
    select
        *,
        t.userIdentity as who,
        t.userIdentity.sessionContext as session,
        lower(t.readOnly) as read_only,
        coalesce(t.recipientAccountId, t.userIdentity.accountId) as account,
        -- the API's version is no part of the action: UpdateFunctionCode20150331v2, CreateDistribution2020_05_31
        regexp_replace(coalesce(t.eventName, ''), '(20\d{2}_?\d{2}_?\d{2})?(v\d+)?$', '') as name,
        split_part(coalesce(t.eventSource, ''), '.', 1) as service,
        trim(coalesce(t.userAgent, ''), '[]') as agent,
        coalesce(t.requestParameters::varchar, '') as request,
        coalesce(t.responseElements::varchar, '') as response
    from r
),
-- the most telling line of the table for each action: an exact name before a pattern
actions as (select distinct t.eventSource as event_source, name from named),
classed as (
    select a.event_source as of_source, a.name as of_name, c.category, c.operation
    from actions a
    left join action_class c on c.event_source = a.event_source and a.name glob c.event_name
    qualify row_number() over (partition by a.event_source, a.name order by position('*' in c.event_name) > 0, length(c.event_name) desc) = 1
),
judged as (
    select
        n.*,
        case
            when t.eventCategory in ('Insight', 'Data', 'NetworkActivity', 'Aggregated') or t.managementEvent = 'false' then 'non-change'
            when t.eventType in ('AwsConsoleSignIn') then 'session'
            when t.eventType in ('AwsCloudTrailInsight', 'AwsAggregatedEvent', 'AwsVpceEvent', 'AwsVpceEvents') then 'non-change'
            when t.errorCode ilike '%DryRun%' or regexp_matches(request, '"dryRun"\s*:\s*"?true') then 'non-change'
            when c.category is not null then c.category
            when read_only = 'true' then 'read'
            when regexp_matches(name, '^(Get|List|Describe|Head|BatchGet|Search|Lookup)') then 'read'
            when read_only = 'false' then 'change'
            when regexp_matches(name, '^(Query|Scan|Select|Preview|View|Test|Simulate|Estimate|Validate|Check|Verify|Detect|Discover|Filter|Count|Download)') then 'read'
            else 'change'
        end as category,
        c.operation as class_operation,
        case
            when who.type = 'Root' then 'root'
            when who.type in ('IAMUser', 'FederatedUser') then 'user'
            when who.type in ('AssumedRole', 'Role') then 'role'
            when who.type in ('IdentityCenterUser', 'SAMLUser') then 'person'
            when who.type = 'WebIdentityUser' then 'workload'
            when who.type = 'AWSAccount' then 'account'
            when who.type = 'AWSService' or t.eventType = 'AwsServiceEvent' then 'service'
            when who.type is null and who.invokedBy is not null then 'service'
            else 'unknown'
        end as actor_type,
        coalesce(session.sessionIssuer.arn, case when who.type in ('AssumedRole', 'Role') then who.arn end) as role
    from named n
    left join classed c on c.of_source is not distinct from n.t.eventSource and c.of_name = n.name
)
select
    record_id,
    occurred_at,
    'aws' as system,
    case when t.sharedEventID is not null then 'shared:' || t.sharedEventID else account || ':' || t.eventID end as change_key,
    -- of two copies the one in the account whose resource was touched counts
    t.sharedEventID is null or who.type = 'AWSAccount'
        or len(list_filter(t.resources, lambda x: x.accountId = t.recipientAccountId or contains(x.ARN, ':' || t.recipientAccountId || ':'))) > 0 as owner,
    category,
    case when t.errorCode is null then 'succeeded' else 'failed' end as outcome,
    case when t.errorCode is not null then concat_ws(': ', t.errorCode, t.errorMessage) end as error,
    case when actor_type = 'role' and contains(role, ':role/aws-service-role/') then 'service' else actor_type end as actor_type,
    coalesce(
        case when actor_type in ('user', 'person') then coalesce(who.arn, who.userName, who.onBehalfOf.userId, who.principalId) end,
        who.arn, who.userName, who.invokedBy, who.principalId
    ) as actor_name,
    case when actor_type = 'role' then role end as actor_role,
    case when who.type in ('AssumedRole', 'Role') then coalesce(regexp_extract(who.arn, '^arn:[^:]*:sts::[^:]*:assumed-role/[^/]+/(.+)$', 1), split_part(who.principalId, ':', 2)) end as session_name,
    nullif(who.accessKeyId, '') as session_key,
    make_utc(session.attributes.creationDate) as session_started,
    session.sourceIdentity as source_identity,
    who.invokedBy as invoked_by,
    lower(coalesce(t.sessionCredentialFromConsole, '')) = 'true' as console,
    case
        when category <> 'change' then 'unknown'
        when lower(coalesce(t.sessionCredentialFromConsole, '')) = 'true' then 'console'
        when contains(agent, 'exec-env/CloudShell') or contains(agent, 'AWS-CloudShell') then 'console'
        when regexp_matches(agent, '(Terraform|terraform-provider-aws|OpenTofu|Pulumi|pulumi|aws-cdk|Ansible|HashiCorp-terraform-exec)/|Pulumi') then 'iac'
        when who.invokedBy = 'cloudformation.amazonaws.com' or agent = 'cloudformation.amazonaws.com' then 'iac'
        when regexp_matches(agent, '^(console|signin)\.|^S3Console|^Mozilla/|^Coral/(Jakarta|Netty4)|^console[^ ]*amazonaws\.com|^aws-internal.*AWSLambdaConsole') then 'console'
        when regexp_matches(agent, '^(aws-cli/|AWSPowerShell)') then 'cli'
        when regexp_matches(agent, '(?i)^(boto3|botocore|aws-sdk-|aws-internal|exec-env)') then 'sdk'
        when actor_type = 'service' or agent like '%.amazonaws.com' then 'service'
        when agent = '' then 'unknown'
        else 'api'
    end as channel,
    left(agent, 512) as user_agent,
    service || ':' || name as action,
    case
        when category <> 'change' then 'other'
        when class_operation is not null then class_operation
        when service = 'iam' or regexp_matches(name, 'Polic(y|ies)$|PolicyVersion$|Permission|Grant|Acl$|ACL$|LoginProfile|AccessKey|MFADevice|AccountAssignment|ResourceShare|TrustAnchor') then 'permission'
        when service = 'codedeploy' and name = 'CreateDeployment' then 'deploy'
        when regexp_matches(name, '^(Create|Run|Launch|Allocate|Register|Import|Copy|Restore|Request|Provision|Purchase)') then 'create'
        when regexp_matches(name, '^(Delete|Terminate|Remove|Deregister|Release|Purge|Revoke|Destroy|Schedule.*Deletion|BatchDelete)') then 'delete'
        when regexp_matches(name, '^(Put|Update|Modify|Set|Change|Enable|Disable|Attach|Detach|Associate|Disassociate|Add|Start|Stop|Reboot|Tag|Untag|Upload|Upgrade|Activate|Deactivate|Replace|Reset|Rotate|Apply|Execute|Authorize|Cancel|Move|Merge|Promote|Failover)') then 'update'
        else 'other'
    end as operation,
    -- what was touched is looked for only where something was
    case when category = 'change' then coalesce(
        (list_filter(list_transform(t.resources, lambda x: x.ARN), lambda x: x is not null))[1],
        nullif(regexp_extract(response, '"[A-Za-z]*(?:[Aa][Rr][Nn]|Id)"\s*:\s*"(arn:[^"\\\s]+)"', 1), ''),
        service || ':' || nullif(regexp_extract(request, '"[A-Za-z]*(?:[Nn]ame|[Ii]d|[Ii]dentifier|[Kk]ey|[Aa]lias)"\s*:\s*"([^"\\]+)"', 1), ''),
        nullif(regexp_extract(request, '"[A-Za-z]*[Aa][Rr][Nn]"\s*:\s*"(arn:[^"\\\s]+)"', 1), ''),
        service || ':' || nullif(regexp_extract(response, '"[A-Za-z]*(?:[Nn]ame|[Ii]d|[Ii]dentifier|[Kk]ey)"\s*:\s*"([^"\\]+)"', 1), ''),
        service || ':' || coalesce(account, '')
    ) end as resource,
    account,
    t.awsRegion as region,
    -- stacks: who starts an operation, and what is done on its behalf
    case
        when service = 'cloudformation' and category in ('change', 'evidence') and name in ('CreateStack', 'UpdateStack', 'DeleteStack', 'ExecuteChangeSet', 'CreateChangeSet', 'ContinueUpdateRollback', 'RollbackStack')
            and coalesce(who.invokedBy, '') <> 'cloudformation.amazonaws.com'
        then concat_ws('/', account, t.awsRegion, coalesce(
            nullif(regexp_extract(coalesce(response, ''), ':stack/([^/"]+)', 1), ''),
            nullif(regexp_extract(coalesce(t.requestParameters->>'$.stackName', ''), ':stack/([^/"]+)', 1), ''),
            t.requestParameters->>'$.stackName',
            -- executed by its ARN alone, a plan names its stack only where it was written
            t.requestParameters->>'$.changeSetName'
        ))
    end as starts_operation,
    case
        when service = 'cloudformation' and name = 'CreateChangeSet' then concat_ws('/', account, t.awsRegion, t.responseElements->>'$.id')
        when service = 'cloudformation' and name = 'ExecuteChangeSet' then concat_ws('/', account, t.awsRegion, t.requestParameters->>'$.changeSetName')
    end as operation_plan,
    case when service = 'cloudformation' then coalesce(t.requestParameters->>'$.roleARN', t.requestParameters->>'$.roleArn') end as operation_role,
    -- tags that CloudFormation puts on what it makes name the stack
    case
        when who.invokedBy = 'cloudformation.amazonaws.com' or agent = 'cloudformation.amazonaws.com'
        then concat_ws('/', account, t.awsRegion, nullif(coalesce(
            nullif(regexp_extract(request, '"aws:cloudformation:stack-name"\s*,\s*"value"\s*:\s*"([^"]+)"', 1), ''),
            regexp_extract(request, 'arn:[^"]*:cloudformation:[^"]*:stack/([^/"]+)', 1)
        ), ''))
    end as part_of,
    -- with a role of the stack's own the record does not say who started it; without one it keeps the caller's identity
    case
        when who.arn like '%:assumed-role/%/AWSCloudFormation' then 'initiator'
        when who.invokedBy = 'cloudformation.amazonaws.com' then 'caller'
    end as on_behalf_of
from judged;

-- emits: session
with r as (
    select record_id, occurred_at, from_json(record, '{
        "eventSource": "VARCHAR", "eventName": "VARCHAR", "userAgent": "VARCHAR", "errorCode": "VARCHAR", "sharedEventID": "VARCHAR",
        "recipientAccountId": "VARCHAR",
        "userIdentity": {
            "type": "VARCHAR", "principalId": "VARCHAR", "arn": "VARCHAR", "accountId": "VARCHAR", "accessKeyId": "VARCHAR",
            "userName": "VARCHAR", "invokedBy": "VARCHAR", "identityProvider": "VARCHAR",
            "sessionContext": {
                "sessionIssuer": {"arn": "VARCHAR"},
                "attributes": {"creationDate": "VARCHAR"},
                "sourceIdentity": "VARCHAR"
            }
        },
        "requestParameters": {
            "roleArn": "VARCHAR", "roleSessionName": "VARCHAR", "sourceIdentity": "VARCHAR", "name": "VARCHAR",
            "tags": [{"key": "VARCHAR", "value": "VARCHAR"}], "principalTags": "JSON"
        },
        "responseElements": {
            "credentials": {"accessKeyId": "VARCHAR"},
            "assumedRoleUser": {"arn": "VARCHAR"}, "federatedUser": {"arn": "VARCHAR"},
            "subjectFromWebIdentityToken": "VARCHAR", "provider": "VARCHAR", "issuer": "VARCHAR", "subject": "VARCHAR",
            "sourceIdentity": "VARCHAR"
        }
    }') as t
    from raw
    where contains(record, 'sts.amazonaws.com')
)
select
    record_id,
    occurred_at,
    'aws' as system,
    t.responseElements.credentials.accessKeyId as issued_key,
    coalesce(t.responseElements.assumedRoleUser.arn, t.responseElements.federatedUser.arn) as issued_name,
    t.requestParameters.roleArn as role,
    coalesce(t.requestParameters.roleSessionName, t.requestParameters.name) as session_name,
    case t.userIdentity.type
        when 'WebIdentityUser' then 'federated'
        when 'SAMLUser' then 'person'
        when 'IdentityCenterUser' then 'person'
        when 'AssumedRole' then 'role'
        when 'Role' then 'role'
        when 'IAMUser' then 'user'
        when 'FederatedUser' then 'user'
        when 'Root' then 'root'
        when 'AWSService' then 'service'
        when 'AWSAccount' then 'account'
        else case when t.userIdentity.type is null and t.userIdentity.invokedBy is not null then 'service' else 'unknown' end
    end as caller_type,
    coalesce(
        case when t.userIdentity.type in ('SAMLUser', 'WebIdentityUser') then t.userIdentity.userName end,
        t.userIdentity.arn, t.userIdentity.userName, t.userIdentity.invokedBy, t.userIdentity.principalId
    ) as caller_name,
    coalesce(t.userIdentity.sessionContext.sessionIssuer.arn, case when t.userIdentity.type in ('AssumedRole', 'Role') then t.userIdentity.arn end) as caller_role,
    case when t.userIdentity.type in ('AssumedRole', 'Role') then regexp_extract(t.userIdentity.arn, '^arn:[^:]*:sts::[^:]*:assumed-role/[^/]+/(.+)$', 1) end as caller_session,
    nullif(t.userIdentity.accessKeyId, '') as caller_key,
    make_utc(t.userIdentity.sessionContext.attributes.creationDate) as caller_started,
    coalesce(t.userIdentity.identityProvider, t.responseElements.provider, t.responseElements.issuer) as provider,
    case when t.eventName = 'AssumeRoleWithWebIdentity'
        then regexp_replace(coalesce(t.responseElements.subjectFromWebIdentityToken, t.userIdentity.userName), '%3A', ':', 'gi') end as subject,
    nullif(regexp_extract(t.userAgent, 'md/run_id#(\d+)', 1), '') as run_id,
    coalesce(
        (list_filter(t.requestParameters.tags, lambda x: lower(x.key) = 'runid'))[1].value,
        t.requestParameters.principalTags->>'$.RunId'
    ) as tag_run_id,
    coalesce(t.requestParameters.sourceIdentity, t.responseElements.sourceIdentity, t.userIdentity.sessionContext.sourceIdentity) as source_identity,
    t.sharedEventID as shared_key
from r
where t.eventSource = 'sts.amazonaws.com'
  and t.errorCode is null
  and t.eventName in ('AssumeRole', 'AssumeRoleWithWebIdentity', 'AssumeRoleWithSAML', 'AssumeRoot', 'GetFederationToken', 'GetSessionToken');
