-- What CloudTrail records mean. Sees raw(source, record_id, occurred_at, unit, position, record) and the tables beside
-- this file: action_class (what is no change, and what is more than an update), access_level (calls whose name says
-- something else than what they do), target (where the request or the answer names what was touched), failed_answer
-- (calls that succeed although nothing was done, and say so in the answer), tag_path (where a request has tags).
-- The rule for what is a change, in order: a service's own log categories; action_class; what the record says of itself
-- (readOnly); access_level; the name's first word. classed_by says which of them decided.

-- emits: change
with
-- buckets and functions whose data events the source takes for changes
opted as (
    select coalesce(list(value), []::varchar[]) as patterns from setting where key = 'data_events'
),
r as (
    select record_id, occurred_at, from_json(record, '{
        "eventTime": "VARCHAR", "eventID": "VARCHAR", "eventSource": "VARCHAR", "eventName": "VARCHAR", "awsRegion": "VARCHAR",
        "sourceIPAddress": "VARCHAR", "userAgent": "VARCHAR", "errorCode": "VARCHAR", "errorMessage": "VARCHAR",
        "readOnly": "VARCHAR", "eventType": "VARCHAR", "eventCategory": "VARCHAR", "managementEvent": "VARCHAR",
        "recipientAccountId": "VARCHAR", "sharedEventID": "VARCHAR", "sessionCredentialFromConsole": "VARCHAR",
        "userIdentity": {
            "type": "VARCHAR", "principalId": "VARCHAR", "arn": "VARCHAR", "accountId": "VARCHAR", "accessKeyId": "VARCHAR",
            "userName": "VARCHAR", "invokedBy": "VARCHAR", "onBehalfOf": {"userId": "VARCHAR"}, "invokedByDelegate": {"accountId": "VARCHAR"},
            "sessionContext": {
                "sessionIssuer": {"type": "VARCHAR", "arn": "VARCHAR", "userName": "VARCHAR"},
                "attributes": {"creationDate": "VARCHAR"},
                "sourceIdentity": "VARCHAR", "assumedRoot": "VARCHAR"
            }
        },
        "requestParameters": "JSON", "responseElements": "JSON", "serviceEventDetails": "JSON",
        "resources": [{"ARN": "VARCHAR", "ARNPrefix": "VARCHAR", "accountId": "VARCHAR", "type": "VARCHAR"}],
        "addendum": {"originalEventID": "VARCHAR"}
    }') as t
    from raw
    -- A token issue that succeeded is a session and nothing else: the relation below tells of it. Of the few that may be one three
    -- members are looked at before all is read; `not in` would make a join of it, and look at those of every record.
    where case when contains(record, '"sts.amazonaws.com"') then
        not list_contains([
            'sts.amazonaws.com AssumeRole', 'sts.amazonaws.com AssumeRoleWithWebIdentity', 'sts.amazonaws.com AssumeRoleWithSAML',
            'sts.amazonaws.com AssumeRoot', 'sts.amazonaws.com GetFederationToken', 'sts.amazonaws.com GetSessionToken'
        ], array_to_string(json_extract_string(record, ['$.eventSource', '$.eventName', '$.errorCode']), ' '))
        else true
    end
),
-- What depends on the call alone is found once for each call, not for each record.
calls as (
    select
        event_source, event_name, name,
        -- AdminDeleteUser deletes
        regexp_replace(name, '^Admin([A-Z])', '\1') as deed,
        regexp_replace(regexp_replace(deed, '^(Batch)?[A-Z][a-z]+', ''), '[^A-Za-z0-9_]', '', 'g') as about,
        -- IAM's names of services are the ones that people know
        case split_part(event_source, '.', 1) when 'monitoring' then 'cloudwatch' when 'email' then 'ses' when 'tagging' then 'tag' else split_part(event_source, '.', 1) end as service
    from (
        -- the API's version is no part of the action: UpdateFunctionCode20150331v2, CreateDistribution2020_05_31
        select *, regexp_replace(event_name, '(20\d{2}_?\d{2}_?\d{2})?(v\d+)?$', '') as name
        from (select distinct coalesce(t.eventSource, '') as event_source, coalesce(t.eventName, '') as event_name from r)
    )
),
-- the most telling line of a table: an exact name before a pattern
classed as (
    select a.*, c.category as class, c.operation as class_operation, concat('action_class.csv: ', c.event_source, ',', c.event_name, ' (', c.why, ')') as class_line
    from calls a
    left join action_class c on c.event_source = a.event_source and a.name glob c.event_name
    qualify row_number() over (partition by a.event_source, a.event_name order by position('*' in c.event_name) > 0, length(c.event_name) desc) = 1
),
targeted as (
    select
        c.*,
        -- what is made or taken away in a service of which nothing more is known is no update of what the service is about
        k.event_name = '*' and regexp_matches(c.deed, '^(Create|Delete)[A-Z]') and not regexp_matches(c.deed, 'Tags$') as makes_unknown,
        if(makes_unknown and k.operation = 'update', null, k.operation) as target_operation,
        -- what stands beside the value in an ARN: {request.MEMBER|request.MEMBER=what it is where none is named!what is not written};
        -- a second pattern, for what the call touches besides
        nullif(regexp_extract(k.resource, '\{(request\.[^}]+)\}', 1), '') as beside,
        coalesce(replace(k.resource, '{' || beside || '}', '{beside}'), k.resource) as target,
        coalesce(replace(k.else_resource, '{' || beside || '}', '{beside}'), k.else_resource, target) as else_target,
        list_transform(string_split(regexp_extract(beside, '^[^=!]+'), '|'), lambda x: '$' || substr(x, 8)) as beside_paths,
        nullif(regexp_extract(beside, '=([^!]+)', 1), '') as beside_default, nullif(regexp_extract(beside, '!(.+)', 1), '') as beside_unwritten,
        split_part(k.path, '.', 1) as place, '$.' || substr(k.path, position('.' in k.path) + 1) as path,
        split_part(k.else_path, '.', 1) as else_place, '$.' || substr(k.else_path, position('.' in k.else_path) + 1) as else_path,
        -- an ARN says whose the target is where nothing but ARNs, and names without a colon, may stand: other names may look like one
        regexp_matches(k.path, '^resources$|(?i)arn$|\.functionName$|\.keyId$') and not regexp_matches(k.path, '(?i)(source|recoveryPoint)arn$') as tells_owner,
        regexp_matches(k.else_path, '^resources$|(?i)arn$|\.functionName$|\.keyId$') and not regexp_matches(k.else_path, '(?i)(source|recoveryPoint)arn$') as else_tells_owner
    from classed c
    left join (select * exclude (event_name), unnest(string_split(event_name, ' ')) as event_name from target) k
      on k.event_source = c.event_source and c.name glob k.event_name
    qualify row_number() over (partition by c.event_source, c.event_name order by position('*' in k.event_name) > 0, length(k.event_name) desc) = 1
),
known as (
    select
        t.* exclude (class_operation, target_operation, about), o.patterns,
        starts_with(f.failed, 'details.') as fails_in_details, nullif(split_part(f.failed, '=', 2), '') as failed_state,
        '$.' || regexp_replace(f.failed, '^details\.|=.*$', '', 'g') as failed_path,
        split_part(f.done, '.', 1) as done_place, '$.' || substr(f.done, position('.' in f.done) + 1) as done_path,
        l.category as level,
        -- some consoles have calls of their own: AWSPaymentPortalService.GetPaymentsDue, getTRNDataForAccounts
        regexp_matches(t.name, '^([A-Za-z]+\.)?([Gg]et|[Ll]ist|[Dd]escribe|Head|BatchGet|[Ss]earch|[Ll]ookup)([^a-z]|$)') as reads,
        regexp_matches(t.name, '^(Query|Scan|Select|Preview|View|Test|Simulate|Estimate|Validate|Check|Verify|Detect|Discover|Filter|Count|Download)([^a-z]|$)') as may_read,
        coalesce(
            t.class_operation, t.target_operation, l.operation,
            case
                when t.service = 'iam' or regexp_matches(t.deed, 'Polic(y|ies)$|PolicyVersion$|Permission|Grant|^Allow|Acl$|ACL$|LoginProfile|AccessKey|MFADevice|AccountAssignment|ResourceShare|TrustAnchor') then 'permission'
                when regexp_matches(t.deed, '^(Un)?[Tt]ag|Tags?(For|To|From|On)?(Resources?|Certificate|Stream|Vault)?$') then 'update'
                when regexp_matches(t.deed, '^(Create|BatchCreate|Run|Launch|Allocate|Register|Import|Copy|Restore|Request|Provision|Purchase|Clone|Generate|Issue|Submit)') then 'create'
                when regexp_matches(t.deed, '^(Delete|Drop|Terminate|Remove|Deregister|Deprovision|Release|Purge|Revoke|Destroy|Schedule.*Deletion|BatchDelete|Leave|Close)') then 'delete'
                when regexp_matches(t.deed, '^(Put|Update|Modify|Set|Change|Enable|Disable|Attach|Detach|Associate|Disassociate|Add|Start|Stop|Reboot|Upload|Upgrade|Activate|Deactivate|Replace|Reset|Rotate|Apply|Execute|Authorize|Cancel|Move|Merge|Promote|Failover|Accept|Reject|Assign|Unassign|Suspend|Resume|Subscribe|Unsubscribe|Publish|Batch(Put|Update|Associate|Disassociate)|Continue|Rollback|Switchover|Transfer|Invite|Enroll|Override|Confirm|Pause|Complete|Bulk|Send|Swap|Rebuild|Refresh|Reload|Mark|Alter|Increase|Decrease|Flush|Prepare|Build|Open|Lock|Unlock|Renew|Restart|Rename|Archive|Unarchive|Initiate|Retry|Configure|Approve|Link|Unlink|Abort|Deprecate|TestFailover)') then 'update'
                else 'other'
            end
        ) as kind,
        -- what the name is about, as requests spell it: CreateDBCluster is about dBCluster
        -- of `Subscribe` nothing is left, and nothing makes no path
        case when t.about <> '' then lower(left(t.about, 1)) || substr(t.about, 2) end as noun,
        lower(regexp_replace(noun, '([a-z])([A-Z])', '\1-\2', 'g')) as hyphened
    from targeted t
    cross join opted o
    left join access_level l on lower(l.action) = lower(t.service || ':' || t.name)
    left join (select * exclude (event_name), unnest(string_split(event_name, ' ')) as event_name from failed_answer) f
      on f.event_source = t.event_source and f.event_name = t.name
),
named as (
    select
        r.record_id, r.occurred_at, r.t,
        r.t.userIdentity as who,
        r.t.userIdentity.sessionContext as session,
        -- a vendor acts with access that somebody delegated to it: whoever's session that is, it is not who acts
        nullif(r.t.userIdentity.invokedByDelegate.accountId, '') as delegate,
        lower(r.t.readOnly) as read_only,
        coalesce(r.t.recipientAccountId, r.t.userIdentity.accountId) as account,
        -- either says that it failed; tables that are exported leave them empty where nothing did
        nullif(concat_ws(': ', nullif(r.t.errorCode, ''), nullif(r.t.errorMessage, '')), '') as said_error,
        trim(coalesce(r.t.userAgent, ''), '[]') as agent,
        case when starts_with(r.t.awsRegion, 'cn-') then 'aws-cn' when starts_with(r.t.awsRegion, 'us-gov-') then 'aws-us-gov'
            when starts_with(r.t.awsRegion, 'eusc-') then 'aws-eusc' else 'aws' end as partition,
        coalesce(r.t.requestParameters::varchar, '') as request,
        -- an event of the service's own tells in its details what was asked for
        coalesce(r.t.requestParameters, json_extract(r.t.serviceEventDetails, '$.eventRequestDetails'), r.t.serviceEventDetails) as asked,
        coalesce(r.t.responseElements::varchar, '') as response,
        case when coalesce(r.t.eventCategory, 'Data') = 'Data' and len(k.patterns) > 0 then
            len(list_filter(r.t.resources, lambda x: len(list_filter(k.patterns, lambda p:
                x.ARN glob p
                -- what names no object, but only what they begin with, may have touched any that does: where the beginning of a
                -- pattern fits
                or (x.ARNPrefix <> '' and len(list_filter(range(1, length(p) + 1), lambda n: x.ARNPrefix glob left(p, n))) > 0)
            )) > 0)) > 0
        end as is_opted,
        k.*
    from r
    join known k on k.event_source = coalesce(r.t.eventSource, '') and k.event_name = coalesce(r.t.eventName, '')
),
decided as (
    select
        *,
        case
            -- in no network of one's own it reaches nothing but by calls that have records of their own
            when event_source = 'cloudshell.amazonaws.com' and name = 'CreateEnvironment' and coalesce(t.requestParameters->>'$.vpcConfig', '{}') = '{}'
            then 'a shell in no network'
            -- a hand in live is one whatever log it is told in
            when class = 'change' and kind = 'access' and coalesce(t.eventCategory, 'Management') in ('Management', 'Data') then 'action_class'
            when (t.eventCategory in ('Insight', 'Data', 'NetworkActivity', 'Aggregated') or t.managementEvent = 'false') and not coalesce(is_opted, false) then 'log category'
            -- before version 1.06 a record does not say so itself: what is about an object is a data event
            when t.eventCategory is null and t.managementEvent is null and not coalesce(is_opted, false)
                and len(list_filter(t.resources, lambda x: x.type = 'AWS::S3::Object')) > 0 then 'log category'
            -- the root user's password and address are changed where one signs in
            when t.eventType = 'AwsConsoleSignIn' and class is distinct from 'change' then 'sign-in'
            when t.eventType in ('AwsCloudTrailInsight', 'AwsAggregatedEvent', 'AwsVpceEvent', 'AwsVpceEvents') then 'log category'
            -- a parameter of the call's own: further in, it may be a tag or a variable
            when t.errorCode ilike '%DryRun%' or (contains(request, '"dryRun"') and lower(t.requestParameters->>'$.dryRun') = 'true') then 'dry run'
            when class is not null then 'action_class'
            when read_only = 'true' then 'says that it reads'
            when reads then case when level = 'change' then 'access_level' else 'name' end
            when read_only = 'false' then 'says that it writes'
            when level is not null then 'access_level'
            when may_read then 'name'
            else 'default'
        end as decided_by
    from named
),
judged as (
    select
        *,
        case decided_by
            when 'action_class' then class
            when 'access_level' then level
            when 'sign-in' then 'session'
            when 'log category' then 'non-change'
            when 'dry run' then 'non-change'
            when 'a shell in no network' then 'non-change'
            when 'says that it reads' then 'read'
            when 'name' then 'read'
            else 'change'
        end as category,
        'cloudformation.amazonaws.com' in (who.invokedBy, t.sourceIPAddress) as by_stacks,
        case
            -- a name of another account that nobody here knows
            when delegate is not null then 'user'
            -- an organisation's root session is a role's: somebody took it by AssumeRoot
            when who.type = 'Root' and coalesce(session.assumedRoot, '') = 'true' then 'role'
            when who.type = 'Root' then 'root'
            -- the session is the application's, and the identity provider vouches for the person whom it acts for
            when who.type in ('AssumedRole', 'Role') and who.onBehalfOf.userId is not null and not contains(coalesce(session.sessionIssuer.arn, ''), ':role/aws-reserved/') then 'person'
            when who.type = 'FederatedUser' and session.sessionIssuer.type = 'Root' then 'root'
            when who.type in ('IAMUser', 'FederatedUser') then 'user'
            when who.type in ('AssumedRole', 'Role') then 'role'
            when who.type in ('IdentityCenterUser', 'SAMLUser') then 'person'
            -- who provisions users and groups shows a token, whose type older records do not know
            when who.type = 'WebIdentityUser' or t.eventSource = 'identitystore-scim.amazonaws.com' then 'workload'
            when who.type = 'AWSAccount' then 'account'
            when who.type = 'AWSService' then 'service'
            -- an event of the service's own may be somebody's doing, such as a user's whom only that service knows: then it names them
            when concat(who.type, who.userName, who.arn, nullif(who.principalId, who.accountId)) = '' and (t.eventType = 'AwsServiceEvent' or who.invokedBy is not null) then 'service'
            else 'unknown'
        end as actor_type,
        coalesce(session.sessionIssuer.arn, case when who.type in ('AssumedRole', 'Role', 'Root') then who.arn end) as role
    from decided
),
-- What was touched is looked for only where something was: as the table says, else as the record's own list says. A call may
-- name several things at once: the first is shown, and where one of them lies counts.
found as (
    select
        *,
        case when category = 'change' then list_filter(list_transform(t.resources, lambda x: coalesce(x.ARN, x.ARNPrefix || '*')), lambda x: x is not null)[1] end as listed,
        -- what the answer says could not be done, if nothing was
        case when failed_path is not null and said_error is null then if(fails_in_details, t.serviceEventDetails, t.responseElements) end as answer,
        case when case
            when failed_state is not null then json_extract_string(answer, failed_path) = failed_state
            when done_place = 'response' then json_count(answer, failed_path) > 0 and json_count(answer, done_path) = 0
            else json_count(answer, failed_path) > 0 and json_count(t.requestParameters, done_path) between 1 and json_count(answer, failed_path)
        end then json_extract(answer, if(failed_state is null, rtrim(failed_path, '.*'), regexp_replace(failed_path, '\.[^.]+$', '')))::varchar end as not_done,
        -- of what the table does not know by its name the answer's own ARN comes first
        case when category = 'change' and makes_unknown and contains(response, 'arn:') then coalesce(
            json_extract_string(t.responseElements, '$.' || noun || 'Arn'), json_extract_string(t.responseElements, '$.' || noun || '.' || noun || 'Arn'),
            json_extract_string(t.responseElements, '$.' || noun || '.arn')
        ) end as made_arn,
        case when starts_with(made_arn, 'arn:') then [made_arn] when category = 'change' then names_at(case place
            when 'request' then t.requestParameters when 'response' then t.responseElements when 'details' then t.serviceEventDetails
            when 'resources' then to_json([listed])
        end, if(place = 'resources', '$', path)) end as first_names
    from judged
),
placed as (
    select
        *,
        category = 'change' and coalesce(len(first_names), 0) = 0 as is_else,
        case when is_else then names_at(case else_place
            when 'request' then t.requestParameters when 'response' then t.responseElements
            when 'resources' then to_json([listed]) when 'caller' then to_json([coalesce(session.sessionIssuer.arn, who.arn)])
        end, if(else_place in ('resources', 'caller'), '$', else_path)) else first_names end as names
    from found
),
-- Tags that only the service can set name the stack. Whatever else a request says of stacks, the template's author chose: labels,
-- variables, filters. So only the call's own tags are looked at: objects of names and values, or lists of keys and values in either
-- order, in which EC2 may have them for each kind of resource.
tagged as (
    select
        *,
        case when by_stacks and contains(request, '"aws:cloudformation:stack-') then
            list_filter(list_transform(tag_paths, lambda x: json_extract(t.requestParameters, x)), lambda x: x is not null)
        end as tag_sets,
        case when tag_sets is not null then list_concat(
            flatten(list_transform(tag_sets, lambda x: list_concat(json_extract(x, '$[*]'), json_extract(x, '$[*].tags[*]')))),
            -- newer calls of EC2, in which a list of one is no list
            case when service = 'ec2' then flatten([
                json_extract(t.requestParameters, '$.*.TagSpecification.Tag'), json_extract(t.requestParameters, '$.*.TagSpecification.Tag[*]'),
                json_extract(t.requestParameters, '$.*.TagSpecification[*].Tag'), json_extract(t.requestParameters, '$.*.TagSpecification[*].Tag[*]')
            ]) end
        ) end as tag_list,
        case when tag_sets is not null then list_transform(['aws:cloudformation:stack-id', 'aws:cloudformation:stack-name'], lambda tag: coalesce(
            list_filter(list_transform(tag_sets, lambda x: json_extract_string(x, '$."' || tag || '"')), lambda x: x is not null)[1],
            list_transform(
                list_filter(tag_list, lambda x: coalesce(x->>'$.key', x->>'$.Key', x->>'$.tagKey', x->>'$.TagKey') = tag),
                lambda x: coalesce(x->>'$.value', x->>'$.Value', x->>'$.tagValue', x->>'$.TagValue')
            )[1]
        )) end as stack_tags
    from placed
    cross join (select list('$.' || path) as tag_paths from tag_path)
),
shown as (
    select
        *,
        -- a call that names nothing: the other pattern is for that, where it has no place for a name
        case when is_else and (len(names) > 0 or not regexp_matches(else_target, '\{(last)?\}')) then else_target else target end as chosen,
        case when category = 'change' and beside_paths is not null then nullif(regexp_replace(coalesce(
            list_filter(list_transform(beside_paths, lambda x: json_extract_string(t.requestParameters, x)), lambda x: x <> '')[1], beside_default
        ), '^arn:[^/]*/', ''), beside_unwritten) end as beside_value,
        case when category = 'change' and chosen is not null then list_transform(string_split(chosen, ' '), lambda x: replace(
            replace(replace(replace(if(beside_value is null, replace(x, '{beside}/', ''), x), '{p}', partition), '{r}', coalesce(t.awsRegion, '')), '{a}', coalesce(account, '')),
            '{beside}', coalesce(beside_value, '*')
        )) end as patterns_written,
        patterns_written[1] as pattern,
        -- calls that the table does not know: what their name is about, an ARN before a name
        category = 'change' and coalesce(len(names), 0) = 0 and listed is null as is_unknown,
        case when is_unknown and (contains(response, 'arn:') or contains(coalesce(asked::varchar, ''), 'arn')) then coalesce(
            json_extract_string(asked, '$.' || noun || 'Arn'), json_extract_string(asked, '$.' || noun || 'ARN'),
            json_extract_string(t.responseElements, '$.' || noun || 'Arn'), json_extract_string(t.responseElements, '$.' || noun || 'ARN'),
            json_extract_string(t.responseElements, '$.' || noun || '.' || noun || 'Arn'),
            json_extract_string(t.responseElements, '$.' || noun || '.arn'), json_extract_string(t.responseElements, '$.' || noun || '.aRN'),
            json_extract_string(t.responseElements, '$.arn'), json_extract_string(t.responseElements, '$.aRN'), json_extract_string(asked, '$.arn')
        ) when is_unknown and t.serviceEventDetails is not null
        then nullif(regexp_extract(json_extract_string(t.serviceEventDetails, '$.eventResponseDetails.' || noun || 'Id'), '^arn:.*'), '') end as own_arn,
        case when is_unknown and own_arn is null then coalesce(
            json_extract_string(asked, '$.' || noun || 'Name'), json_extract_string(asked, '$.' || noun || 'Id'),
            json_extract_string(asked, '$.' || noun || 'Identifier'),
            json_extract_string(asked, '$."' || hyphened || '-name"'), json_extract_string(asked, '$."' || hyphened || '-id"'),
            json_extract_string(asked, '$.resourceArn'), json_extract_string(asked, '$.resourceARN'),
            json_extract_string(asked, '$.name'), json_extract_string(asked, '$.id')
        ) end as own_name,
        -- lists of ARNs, and of things with one name each, where the request names nothing else
        case when is_unknown and pattern is null and own_arn is null and own_name is null and contains(asked::varchar, '[')
            and len(list_filter(json_keys(asked), lambda x: regexp_matches(x, '(?i)(name|id|identifier|alias|arn)$'))) = 0
        then list_filter(list_transform(json_extract(asked, '$.*[*]'), lambda x: case
            when starts_with(x::varchar, '"arn:') then x->>'$'
            when len(regexp_extract_all(x::varchar, '"[A-Za-z-]*(?:[Nn]ame|[Ii]d|[Ii]dentifier|[Aa]rn|ARN)"\s*:\s*"')) = 1
            then regexp_extract(x::varchar, '"[A-Za-z-]*(?:[Nn]ame|[Ii]d|[Ii]dentifier|[Aa]rn|ARN)"\s*:\s*"([^"\\]+)"', 1)
        end), lambda x: x <> '') end as members,
        stack_tags[1] as stack_id,
        coalesce(nullif(stack_tags[2], ''), regexp_extract(stack_id, ':stack/([^/]+)', 1)) as tagged_stack,
        -- what is made for all regions is recorded in one of them: the stack lies where its ARN says
        coalesce(
            nullif(split_part(stack_id, ':', 4), ''),
            case when service not in ('iam', 'cloudfront', 'route53', 'waf', 'shield', 'globalaccelerator', 'organizations', 'budgets', 'ce', 'cur', 'networkmanager', 'ecr-public') then t.awsRegion end
        ) as stack_region,
        case when by_stacks then coalesce(nullif(tagged_stack, ''), case when service = 'cloudformation' then regexp_extract(t.requestParameters->>'$.stackName', '^(?:arn:[^/]*/)?([^:/]+)', 1) end, '') end as stack,
        nullif(regexp_extract(stack, '^StackSet-(.+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 1), '') as stack_set
    from tagged
),
-- Targets as they are shown: as ARNs, where the table, the call or the record says how these are written.
touched as (
    select
        *,
        case when len(names) > 0 then list_concat(list_transform(names, lambda x: case
            when starts_with(x, 'arn:') then x
            when starts_with(x, 'arn%3A') then url_decode(x)
            -- a function's name may be the second half of its ARN
            when service = 'lambda' and regexp_matches(x, '^\d{12}:function:') then 'arn:' || partition || ':lambda:' || coalesce(t.awsRegion, '') || ':' || x
            -- ids of EC2 say what they are of
            when target = 'ec2:{}' and kinds[split_part(x, '-', 1)] is not null
            then 'arn:' || partition || ':ec2:' || coalesce(t.awsRegion, '') || ':' || coalesce(account, '') || ':' || kinds[split_part(x, '-', 1)] || '/' || x
            -- Session Manager and Run Command reach more than instances
            when service = 'ssm' and starts_with(x, 'mi-') then 'arn:' || partition || ':ssm:' || coalesce(t.awsRegion, '') || ':' || coalesce(account, '') || ':managed-instance/' || x
            when service = 'ssm' and starts_with(x, 'ecs:') then 'ssm:' || x
            else replace(replace(replace(pattern, '{last}', last_name(x)), '/{}', '/' || ltrim(x, '/')), '{}', x)
        end), patterns_written[2:]) when pattern is not null and not regexp_matches(pattern, '\{(last)?\}') then [pattern]
        when listed is not null then [listed]
        when is_unknown then list_transform(if(coalesce(own_arn, own_name) is null, members, [coalesce(own_arn, own_name)]), lambda x: case
            when starts_with(x, 'arn:') then x when starts_with(x, 'arn%3A') then url_decode(x) else service || ':' || x
        end) end as targets,
        case when category = 'change' then coalesce(
            nullif(targets[1], ''),
            -- refused before it was there: one of that kind
            replace(replace(pattern, '{last}', '*'), '{}', '*'),
            nullif(regexp_extract(response, '"[A-Za-z]*(?:[Aa][Rr][Nn]|Id)"\s*:\s*"(arn:[^"\\\s]+)"', 1), ''),
            list_transform([coalesce(
                nullif(regexp_extract(asked::varchar, '"[A-Za-z-]*(?:[Nn]ame|[Ii]d|[Ii]dentifier|[Aa]lias)"\s*:\s*"([^"\\]+)"', 1), ''),
                nullif(regexp_extract(asked::varchar, '"[A-Za-z]*[Aa][Rr][Nn]"\s*:\s*"(arn:[^"\\\s]+)"', 1), ''),
                nullif(regexp_extract(replace(response, '"requestId"', '""'), '"[A-Za-z-]*(?:[Nn]ame|[Ii]d|[Ii]dentifier)"\s*:\s*"([^"\\]+)"', 1), ''),
                account, ''
            )], lambda x: if(starts_with(x, 'arn:'), x, service || ':' || x))[1]
        ) end as shown_as,
        -- who accepts, joins or copies another's thing changes something of their own
        not regexp_matches(name, '^(Accept|Reject|Associate|Disassociate|Attach|Detach|Join|Leave|Subscribe|Unsubscribe|ConfirmSubscription|Copy|Import|Restore|Export)')
            and case when len(names) > 0 then if(is_else, else_tells_owner, tells_owner) else is_unknown and own_arn is not null end as shown_tells_owner
    from shown
    cross join (select map(list(prefix), list(kind)) as kinds from ec2_id)
),
-- Whose the target is: the provider's list says it, else the target's own ARN.
owned as (
    select
        *,
        case when category = 'change' and len(t.resources) > 0 then list_filter(t.resources, lambda x:
            regexp_replace(x.ARN, ':\d{12}:', '::') = regexp_replace(shown_as, ':\d{12}:', '::') or starts_with(shown_as, x.ARN || '/')
        )[1] end as entry,
        if(starts_with(shown_as, entry['ARN'] || '/'), shown_as, coalesce(entry['ARN'], shown_as)) as resource,
        coalesce(
            nullif(regexp_extract(entry['accountId'], '^\d{12}$'), ''),
            case when entry is not null or shown_tells_owner then nullif(regexp_extract(resource, '^arn:[^:]*:[^:]*:[^:]*:(\d{12}):', 1), '') end,
            account
        ) as owner_account
    from touched
)
select
    record_id,
    occurred_at,
    'aws' as system,
    -- a corrected copy that came later tells of the same event
    case when t.sharedEventID is not null then 'shared:' || t.sharedEventID
        else account || ':' || coalesce(nullif(t.addendum.originalEventID, ''), t.eventID)
    end as change_key,
    nullif(t.addendum.originalEventID, '') <> t.eventID as corrects,
    -- of two copies the one in the account whose resource was touched counts; where none is named, that of another account
    -- than the caller's
    case when t.sharedEventID is null or who.type = 'AWSAccount' then true
        when len(t.resources) > 0 then len(list_filter(t.resources, lambda x: x.accountId = t.recipientAccountId or contains(x.ARN, ':' || t.recipientAccountId || ':'))) > 0
        else coalesce(who.accountId <> t.recipientAccountId, false)
    end as owner,
    category,
    case decided_by
        when 'action_class' then class_line
        when 'access_level' then 'access_level.csv: ' || service || ':' || name
        when 'log category' then concat('log category: ', coalesce(t.eventCategory, 'managementEvent ' || t.managementEvent, nullif(t.eventType, 'AwsApiCall'), 'about an object'))
        when 'says that it reads' then 'readOnly is true'
        when 'says that it writes' then 'readOnly is false'
        when 'name' then 'the name begins with a word of reading'
        when 'default' then 'the record does not say whether it reads, and its name does not begin with a word of reading'
        else decided_by
    end as classed_by,
    case when coalesce(said_error, not_done) is null then 'succeeded' else 'failed' end as outcome,
    coalesce(said_error, 'nothing was done: ' || left(not_done, 1024)) as error,
    case when actor_type = 'role' and contains(role, ':role/aws-service-role/') then 'service' else actor_type end as actor_type,
    coalesce(
        delegate,
        -- a federated user's name was chosen; the user who asked for its credentials is who acts
        case when actor_type = 'user' then coalesce(case when session.sessionIssuer.type = 'IAMUser' then session.sessionIssuer.arn end, who.arn, who.userName, who.principalId) end,
        case when actor_type = 'person' and who.type in ('AssumedRole', 'Role') then who.onBehalfOf.userId end,
        case when actor_type = 'person' then coalesce(who.arn, who.userName, who.onBehalfOf.userId, who.principalId) end,
        who.arn, who.userName, who.invokedBy, who.principalId,
        -- which has no name but that of the place that it is good for
        case when t.eventSource = 'identitystore-scim.amazonaws.com' then concat_ws('/', t.eventSource, t.requestParameters->>'$.tenantId') end
    ) as actor_name,
    case when actor_type = 'role' then role end as actor_role,
    case when delegate is null and who.type in ('AssumedRole', 'Role') then coalesce(regexp_extract(who.arn, '^arn:[^:]*:sts::[^:]*:assumed-role/[^/]+/(.+)$', 1), split_part(who.principalId, ':', 2)) end as session_name,
    -- a session that names the person needs no following: its sign-in leads to the application only
    case when delegate is null and (actor_type <> 'person' or who.type not in ('AssumedRole', 'Role')) then nullif(who.accessKeyId, '') end as session_key,
    case when delegate is null then make_utc(session.attributes.creationDate) end as session_started,
    case when delegate is null then session.sourceIdentity end as source_identity,
    who.invokedBy as invoked_by,
    delegate is null and lower(coalesce(t.sessionCredentialFromConsole, '')) = 'true' as console,
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
        when category = 'change' then kind
        -- a plan is no change, but it may make the stack
        when service = 'cloudformation' and name = 'CreateChangeSet' and (t.requestParameters->>'$.changeSetType') = 'CREATE' then 'create'
        else 'other'
    end as operation,
    resource,
    case when len(targets) > 1 then list_filter(targets[2:], lambda x: x <> targets[1]) end as further_resources,
    owner_account as account,
    t.awsRegion as region,
    -- stacks: who starts an operation, and what is done on its behalf
    case
        -- a stack set is known by its name alone: its stacks lie in other accounts and do not say whose it is
        when service = 'cloudformation' and category = 'change' and name in ('CreateStackSet', 'UpdateStackSet', 'DeleteStackSet', 'CreateStackInstances', 'UpdateStackInstances', 'DeleteStackInstances', 'ImportStacksToStackSet')
        then 'stackset/' || nullif(regexp_extract(t.requestParameters->>'$.stackSetName', '^(?:arn:[^/]*/)?([^:/]+)', 1), '')
        when service = 'cloudformation' and category in ('change', 'evidence') and name in ('CreateStack', 'UpdateStack', 'CancelUpdateStack', 'DeleteStack', 'ExecuteChangeSet', 'CreateChangeSet', 'ContinueUpdateRollback', 'RollbackStack')
        then concat_ws('/', account, t.awsRegion, coalesce(
            nullif(regexp_extract(coalesce(response, ''), ':stack/([^/"]+)', 1), ''),
            nullif(regexp_extract(coalesce(t.requestParameters->>'$.stackName', ''), ':stack/([^/"]+)', 1), ''),
            t.requestParameters->>'$.stackName',
            -- executed by its ARN alone, a plan names its stack only where it was written
            t.requestParameters->>'$.changeSetName'
        ))
        -- a refactor moves resources between several stacks, which only its plan names
        when service = 'cloudformation' and category = 'evidence' and name = 'CreateStackRefactor'
        then nullif(array_to_string(list_transform(names_at(t.requestParameters, '$.stackDefinitions[0].stackName'), lambda x:
            concat_ws('/', account, t.awsRegion, regexp_extract(x, '^(?:arn:[^/]*/)?([^:/]+)', 1))
        ), chr(10)), '')
        when service = 'cloudformation' and category = 'change' and name = 'ExecuteStackRefactor'
        then concat_ws('/', account, t.awsRegion, t.requestParameters->>'$.stackRefactorId')
        -- Cloud Control does what it is asked for by the role that it is given, as a stack does
        when service = 'cloudcontrolapi' and category = 'change' and (t.requestParameters->>'$.roleArn') is not null
        then concat_ws('/', account, t.awsRegion, 'cloudcontrolapi', t.requestParameters->>'$.typeName', coalesce(t.requestParameters->>'$.identifier', t.eventID))
    end as starts_operation,
    case
        when service = 'cloudformation' and name = 'CreateChangeSet' then concat_ws('/', account, t.awsRegion, t.responseElements->>'$.id')
        when service = 'cloudformation' and name = 'ExecuteChangeSet' then concat_ws('/', account, t.awsRegion, t.requestParameters->>'$.changeSetName')
        when service = 'cloudformation' and name = 'CreateStackRefactor' then concat_ws('/', account, t.awsRegion, t.responseElements->>'$.stackRefactorId')
        when service = 'cloudformation' and name = 'ExecuteStackRefactor' then concat_ws('/', account, t.awsRegion, t.requestParameters->>'$.stackRefactorId')
    end as operation_plan,
    case when service in ('cloudformation', 'cloudcontrolapi') then coalesce(
        t.requestParameters->>'$.roleARN', t.requestParameters->>'$.roleArn',
        -- a delegated administrator asks, the organisation's management account does it with the role that AWS has there
        case when (t.requestParameters->>'$.callAs') = 'DELEGATED_ADMIN' then 'AWSServiceRoleForCloudFormationStackSetsOrgAdmin' end
    ) end as operation_role,
    -- tags that CloudFormation puts on what it makes name the stack; a stack of a stack set is named after the set, which
    -- comes first then: but anybody may name a stack so
    case
        when delegate is not null then null
        when stack_set is not null then concat_ws('/', 'stackset', stack_set, case when tagged_stack <> '' then concat_ws('/', account, stack_region, tagged_stack) end)
        when by_stacks and stack_region is not null then concat_ws('/', account, stack_region, nullif(tagged_stack, ''))
    end as part_of,
    -- with a role of the stack's own the record does not say who started it; without one it keeps the caller's identity.
    -- Anybody who may take the role can name a session so: that the service did it is the provider's word.
    -- A set's own stacks show which execution role it has, whatever that is called; what else its session does follows them
    case
        when delegate is not null then null
        when stack_set is not null then 'initiator'
        when by_stacks and regexp_matches(who.arn, ':assumed-role/([^/]+/AWSCloudFormation$|AWSCloudFormationStackSetExecutionRole/|stacksets-exec-)') then 'initiator'
        when by_stacks then 'caller'
    end as on_behalf_of
from owned;

-- emits: session
with
-- The list of one keeps filters further on from being asked of the record itself, which would be parsed once for each member
-- that they look at.
r as (
    select record_id, occurred_at, unnest([from_json(record, '{
        "eventSource": "VARCHAR", "eventName": "VARCHAR", "userAgent": "VARCHAR", "errorCode": "VARCHAR", "errorMessage": "VARCHAR",
        "sharedEventID": "VARCHAR", "sessionCredentialFromConsole": "VARCHAR",
        "recipientAccountId": "VARCHAR",
        "userIdentity": {
            "type": "VARCHAR", "principalId": "VARCHAR", "arn": "VARCHAR", "accountId": "VARCHAR", "accessKeyId": "VARCHAR",
            "userName": "VARCHAR", "invokedBy": "VARCHAR", "identityProvider": "VARCHAR", "onBehalfOf": {"userId": "VARCHAR"},
            "invokedByDelegate": {"accountId": "VARCHAR"},
            "sessionContext": {
                "sessionIssuer": {"type": "VARCHAR", "arn": "VARCHAR"},
                "attributes": {"creationDate": "VARCHAR"},
                "sourceIdentity": "VARCHAR", "assumedRoot": "VARCHAR"
            }
        },
        "requestParameters": {
            "roleArn": "VARCHAR", "roleSessionName": "VARCHAR", "sourceIdentity": "VARCHAR", "name": "VARCHAR",
            "targetPrincipal": "VARCHAR", "trustAnchorArn": "VARCHAR",
            "tags": [{"key": "VARCHAR", "value": "VARCHAR"}], "principalTags": "JSON", "incomingTransitiveTags": "JSON"
        },
        "responseElements": {
            "credentials": {"accessKeyId": "VARCHAR"},
            "credentialSet": [{"credentials": {"accessKeyId": "VARCHAR"}, "assumedRoleUser": {"arn": "VARCHAR"}}],
            "assumedRoleUser": {"arn": "VARCHAR"}, "federatedUser": {"arn": "VARCHAR"},
            "subjectFromWebIdentityToken": "VARCHAR", "subjectArn": "VARCHAR", "provider": "VARCHAR", "issuer": "VARCHAR",
            "sourceIdentity": "VARCHAR", "SwitchRole": "VARCHAR"
        },
        "additionalEventData": {"SwitchFrom": "VARCHAR"}
    }')]) as t
    from raw
    where contains(record, 'sts.amazonaws.com') or contains(record, '"SwitchFrom"') or contains(record, 'rolesanywhere.amazonaws.com') or contains(record, '"GetAccessToken"')
),
called as (
    select
        *,
        -- an application's session that names the person whom it acts for: the identity provider vouches for that
        case when t.userIdentity.type in ('AssumedRole', 'Role') and not contains(coalesce(t.userIdentity.sessionContext.sessionIssuer.arn, ''), ':role/aws-reserved/') then t.userIdentity.onBehalfOf.userId end as acts_for,
        coalesce(t.userIdentity.sessionContext.assumedRoot, '') = 'true' as assumed_root,
        nullif(t.userIdentity.invokedByDelegate.accountId, '') as delegate,
        -- who changes the role in the console: the record's own identity is the one that was taken
        case when t.eventName = 'SwitchRole' then t.additionalEventData.SwitchFrom end as switched_from
    from r
)
select
    record_id,
    occurred_at,
    'aws' as system,
    coalesce(t.responseElements.credentials.accessKeyId, t.responseElements.credentialSet[1].credentials.accessKeyId) as issued_key,
    coalesce(
        case when switched_from is not null then t.userIdentity.arn end,
        t.responseElements.assumedRoleUser.arn, t.responseElements.federatedUser.arn, t.responseElements.credentialSet[1].assumedRoleUser.arn,
        case when t.eventName = 'AssumeRoot' then case when starts_with(t.requestParameters.targetPrincipal, 'arn:') then t.requestParameters.targetPrincipal else 'arn:aws:iam::' || t.requestParameters.targetPrincipal || ':root' end end
    ) as issued_name,
    case when switched_from is null then t.requestParameters.roleArn else coalesce(t.userIdentity.sessionContext.sessionIssuer.arn, t.userIdentity.arn) end as role,
    -- where an application acts for a person, the application chose it
    case when acts_for is null then coalesce(t.requestParameters.roleSessionName, t.requestParameters.name, case when switched_from is not null then last_name(t.userIdentity.arn) end) end as session_name,
    case
        when delegate is not null then 'user'
        when regexp_matches(switched_from, ':(user|federated-user)/') then 'user'
        when contains(switched_from, ':assumed-role/') then 'role'
        when ends_with(switched_from, ':root') then 'root'
        when switched_from is not null then 'unknown'
        when t.eventSource = 'rolesanywhere.amazonaws.com' then 'federated'
        when acts_for is not null then 'person'
        when assumed_root then 'role'
        when t.userIdentity.type = 'FederatedUser' and t.userIdentity.sessionContext.sessionIssuer.type = 'Root' then 'root'
    else case t.userIdentity.type
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
    end end as caller_type,
    coalesce(
        delegate, switched_from, acts_for,
        case when t.userIdentity.type = 'FederatedUser' and t.userIdentity.sessionContext.sessionIssuer.type = 'IAMUser' then t.userIdentity.sessionContext.sessionIssuer.arn end,
        case when t.userIdentity.type in ('SAMLUser', 'WebIdentityUser') then t.userIdentity.userName end,
        t.userIdentity.arn, t.userIdentity.userName, t.userIdentity.invokedBy, t.userIdentity.principalId
    ) as caller_name,
    case when delegate is not null then null
        when switched_from is null then coalesce(t.userIdentity.sessionContext.sessionIssuer.arn, case when t.userIdentity.type in ('AssumedRole', 'Role') or assumed_root then t.userIdentity.arn end)
        when contains(switched_from, ':assumed-role/') then switched_from end as caller_role,
    case when delegate is null and t.userIdentity.type in ('AssumedRole', 'Role') then nullif(regexp_extract(coalesce(switched_from, t.userIdentity.arn), '^arn:[^:]*:sts::[^:]*:assumed-role/[^/]+/(.+)$', 1), '') end as caller_session,
    -- a service that acts for a session, and the console, use keys of their own: then the session's begin finds it
    case when delegate is null and acts_for is null and switched_from is null and (t.userIdentity.sessionContext.attributes.creationDate is null or (t.userIdentity.invokedBy is null and lower(coalesce(t.sessionCredentialFromConsole, '')) <> 'true')) then nullif(t.userIdentity.accessKeyId, '') end as caller_key,
    case when delegate is null and switched_from is null then make_utc(t.userIdentity.sessionContext.attributes.creationDate) end as caller_started,
    coalesce(t.userIdentity.identityProvider, t.responseElements.provider, t.responseElements.issuer, t.requestParameters.trustAnchorArn) as provider,
    case
        when t.eventName = 'AssumeRoleWithWebIdentity' then coalesce(t.responseElements.subjectFromWebIdentityToken, t.userIdentity.userName)
        when t.eventSource = 'rolesanywhere.amazonaws.com' then t.responseElements.subjectArn
    end as subject,
    case when delegate is null then nullif(regexp_extract(t.userAgent, 'md/run_id#(\d+)', 1), '') end as run_id,
    -- tags of the call, of the token, and those that came along from the session before
    case when delegate is null then coalesce(
        text_of(list_filter(t.requestParameters.tags, lambda x: regexp_matches(x.key, '(?i)^run[_-]?id$'))[1].value),
        text_of(regexp_extract(t.requestParameters.principalTags::varchar, '(?i)"run[_-]?id"\s*:\s*"([^"]+)"', 1)),
        text_of(regexp_extract(t.requestParameters.incomingTransitiveTags::varchar, '(?i)"run[_-]?id"\s*:\s*"([^"]+)"', 1))
    ) end as tag_run_id,
    coalesce(t.requestParameters.sourceIdentity, t.responseElements.sourceIdentity, t.userIdentity.sessionContext.sourceIdentity) as source_identity,
    t.sharedEventID as shared_key
from called
where coalesce(nullif(t.errorCode, ''), nullif(t.errorMessage, '')) is null
  and (
      (t.eventSource = 'sts.amazonaws.com' and t.eventName in ('AssumeRole', 'AssumeRoleWithWebIdentity', 'AssumeRoleWithSAML', 'AssumeRoot', 'GetFederationToken', 'GetSessionToken'))
      or (t.eventSource = 'rolesanywhere.amazonaws.com' and t.eventName = 'CreateSession')
      -- in the console, for a role that may lie in an account of which only this is seen
      or (t.eventSource = 'signin.amazonaws.com' and switched_from is not null and t.responseElements.SwitchRole = 'Success')
      -- just-in-time access to a node
      or (t.eventSource = 'ssm.amazonaws.com' and t.eventName = 'GetAccessToken')
  );
