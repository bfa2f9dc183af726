-- What the audit log of Microsoft 365 means. Sees raw(…) and two tables: action_class (what is a change, by workload and
-- operation) and live_content (which files of SharePoint are pages or their design: saving one of these is a change to what
-- visitors see, while editing any other document is daily work).

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "Id": "VARCHAR", "CreationTime": "VARCHAR", "Operation": "VARCHAR", "OrganizationId": "VARCHAR", "Workload": "VARCHAR",
            "ResultStatus": "VARCHAR", "ResultStatusDetail": "VARCHAR", "UserId": "VARCHAR", "UserKey": "VARCHAR", "UserType": "VARCHAR",
            "ObjectId": "VARCHAR", "SiteUrl": "VARCHAR", "UserAgent": "VARCHAR", "FormId": "VARCHAR", "TeamName": "VARCHAR", "FlowConnectorNames": "VARCHAR",
            "ClientAppId": "VARCHAR", "ApplicationId": "VARCHAR",
            "AppAccessContext": {"ClientAppId": "VARCHAR", "AADSessionId": "VARCHAR"},
            "ModifiedProperties": [{"Name": "VARCHAR", "OldValue": "VARCHAR", "NewValue": "VARCHAR"}],
            "Parameters": [{"Name": "VARCHAR", "Value": "VARCHAR"}]
        }') as t
    from raw
),
read as (
    select
        record_id, t,
        coalesce(t.Workload, 'unknown') as workload,
        -- some services end the name with a full stop
        rtrim(t.Operation, '.') as action,
        lower(coalesce(t.UserId, '')) as user_id,
        coalesce(nullif(t.ObjectId, ''), t.FormId, t.TeamName, t.SiteUrl) as object_id,
        coalesce(nullif(t.AppAccessContext.ClientAppId, ''), nullif(t.ClientAppId, ''), nullif(t.ApplicationId, '')) as app_id,
        lower(coalesce(t.ResultStatus, '')) in ('failed', 'failure', 'false') as failed
    from r
),
pages as (
    select record_id, bool_or(lower(coalesce(object_id, '')) glob p.pattern) as page
    from read cross join live_content p
    where workload = 'SharePoint'
    group by record_id
),
-- the most telling line of the table for each action: a workload before all of them, an exact name before a pattern, a long pattern before a short one
classed as (
    select a.workload, a.action, k.category, k.operation, k.of_page, k.workload || ' ' || k.action as line
    from (select distinct workload, action from read) a
    join action_class k on a.workload glob k.workload and a.action glob k.action
    qualify row_number() over (
        partition by a.workload, a.action
        order by telling(k.workload), telling(k.action)
    ) = 1
),
judged as (
    select
        r.*,
        coalesce(p.page, false) and k.of_page is not null as page,
        k.category, k.operation, k.of_page, k.line,
        case
            -- a rule of the provider; Microsoft's own staff; a server's own doing
            when t.UserType in ('3', '4', '7', '8', 'DcAdmin', 'System', 'CustomPolicy', 'SystemPolicy') then 'service'
            when user_id like 'nt authority\%' or user_id in ('sharepoint\system', 's-1-0-0') then 'service'
            when t.UserType in ('5', '6', 'Application', 'ServicePrincipal') or user_id in ('app@sharepoint') or user_id like 'serviceprincipal\_%' escape '\' then 'application'
            when user_id like '%@%' then 'person'
            else 'unknown'
        end as actor_type
    from read r
    left join pages p using (record_id)
    left join classed k on k.workload = r.workload and k.action = r.action
)
select
    record_id,
    make_utc(t.CreationTime) as occurred_at,
    'microsoft-365' as system,
    case when page then 'change' else coalesce(category, 'change') end as category,
    'action_class:' || line || case when page then ', a page' else '' end as classed_by,
    case when failed then 'failed' else 'succeeded' end as outcome,
    case when failed then concat_ws(': ', t.ResultStatus, t.ResultStatusDetail) end as error,
    actor_type,
    -- a guest's name holds the name at home: alice_example.org#EXT#@tenant.onmicrosoft.com
    case
        when actor_type = 'person' and user_id like '%#ext#@%' then regexp_replace(regexp_replace(user_id, '#ext#@.*$', ''), '_([^_]*)$', '@\1')
        when actor_type = 'application' then coalesce(app_id, user_id)
        else nullif(coalesce(t.UserId, ''), '')
    end as actor_name,
    case when actor_type = 'application' then app_id end as actor_role,
    case when actor_type = 'service' then t.UserId end as invoked_by,
    case
        when actor_type = 'service' then 'service'
        when actor_type = 'application' then 'api'
        when page then 'content-editor'
        else 'unknown'
    end as channel,
    t.AppAccessContext.AADSessionId as session_key,
    t.UserAgent as user_agent,
    action,
    case
        when page then of_page
        when operation is not null then operation
        when regexp_matches(action, '(?i)^(new|add|create|install|enable)\b|(created|added)$') then 'create'
        when regexp_matches(action, '(?i)^(remove|delete|uninstall|disable)\b|(deleted|removed|recycled)$') then 'delete'
        else 'update'
    end as operation,
    'microsoft-365:' || workload || '/' || coalesce(object_id, t.OrganizationId) as resource,
    workload || '/' || coalesce(object_id, t.OrganizationId) as object,
    coalesce(rtrim(t.SiteUrl, '/'), t.OrganizationId) as account,
    diffs_text(list_concat(
        list_transform(list_filter(t.ModifiedProperties, lambda x: x.Name is not null), lambda x: {'field': x.Name, 'old': x.OldValue, 'new': x.NewValue}),
        list_transform(list_filter(t.Parameters, lambda x: x.Name is not null), lambda x: {'field': x.Name, 'old': null, 'new': x.Value})
    )) as diffs
from judged;
