-- What Okta's System Log means. Sees raw(…) and the table action_class: what is a change, what people do with Okta day by
-- day, what is a sign-in. An event type that the table does not know is a change.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "published": "VARCHAR", "eventType": "VARCHAR", "displayMessage": "VARCHAR",
            "actor": {"id": "VARCHAR", "type": "VARCHAR", "alternateId": "VARCHAR", "displayName": "VARCHAR"},
            "client": {"userAgent": {"rawUserAgent": "VARCHAR"}},
            "authenticationContext": {"externalSessionId": "VARCHAR"},
            "outcome": {"result": "VARCHAR", "reason": "VARCHAR"},
            "target": [{"id": "VARCHAR", "type": "VARCHAR", "changeDetails": {"from": "JSON", "to": "JSON"}}],
            "transaction": {"detail": {"requestApiTokenId": "VARCHAR"}},
            "debugContext": {"debugData": {"privilegeGranted": "VARCHAR", "privilegeRevoked": "VARCHAR"}}
        }') as t
    from raw
),
read as (
    select
        record_id, t,
        -- a group, an application, a policy says more than the person whom it was given to
        coalesce(list_filter(t.target, lambda x: x.type not in ('User', 'AppUser'))[1], t.target[1]) as target,
        nullif(t.authenticationContext.externalSessionId, 'unknown') as web_session,
        t.transaction.detail.requestApiTokenId as token_id,
        list_last(string_split(t.eventType, '.')) as verb
    from r
),
-- the most telling line of the table for each action
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct t.eventType as action from read) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by telling(k.action)) = 1
)
select
    record_id,
    make_utc(t.published) as occurred_at,
    'okta' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case when t.outcome.result in ('FAILURE', 'DENY', 'SKIPPED') then 'failed' else 'succeeded' end as outcome,
    case when t.outcome.result in ('FAILURE', 'DENY', 'SKIPPED') then concat_ws(': ', t.outcome.result, t.outcome.reason) end as error,
    case t.actor.type
        when 'User' then 'person'
        when 'SystemPrincipal' then 'service'
        when 'PublicClientApp' then 'application'
        else 'unknown'
    end as actor_type,
    -- an application goes by its client id: its name is whatever its administrators call it
    case when t.actor.type = 'PublicClientApp' then t.actor.id else coalesce(nullif(t.actor.alternateId, 'unknown'), t.actor.displayName, t.actor.id) end as actor_name,
    case when t.actor.type = 'PublicClientApp' then t.actor.id end as actor_role,
    case
        when t.actor.type = 'SystemPrincipal' then 'service'
        when t.actor.type = 'PublicClientApp' or token_id is not null then 'api'
        when web_session is not null then 'console'
        else 'unknown'
    end as channel,
    coalesce(token_id, web_session) as session_key,
    t.client.userAgent.rawUserAgent as user_agent,
    t.eventType as action,
    case
        when k.operation is not null then k.operation
        when verb in ('create', 'created', 'add', 'generate', 'enroll') then 'create'
        when verb in ('delete', 'deleted', 'remove', 'revoke') then 'delete'
        else 'update'
    end as operation,
    'okta:' || coalesce(target.type || '/' || target.id, 'Org') as resource,
    coalesce(target.type || '/' || target.id, 'Org') as object,
    diffs_text(list_concat(
        flatten(list_transform(coalesce(t.target, []), lambda x: coalesce(object_diffs(x.changeDetails."from", x.changeDetails."to"), []))),
        case when t.debugContext.debugData.privilegeGranted is not null then [{'field': 'privilege', 'old': null, 'new': to_json(t.debugContext.debugData.privilegeGranted)}] end,
        case when t.debugContext.debugData.privilegeRevoked is not null then [{'field': 'privilege', 'old': to_json(t.debugContext.debugData.privilegeRevoked), 'new': null}] end
    )) as diffs
from read
left join classed k on k.action = t.eventType;
