-- What GitLab's audit events mean. Sees raw(…) and the table action_class: what is a change. GitLab names the type of an
-- event since 16; before, the details say what was added, removed or changed.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR", "author_id": "VARCHAR", "entity_id": "VARCHAR", "entity_type": "VARCHAR", "created_at": "VARCHAR", "event_name": "VARCHAR",
            "details": {
                "event_name": "VARCHAR", "author_name": "VARCHAR", "author_email": "VARCHAR", "author_class": "VARCHAR", "entity_path": "VARCHAR",
                "target_id": "VARCHAR", "target_type": "VARCHAR", "target_details": "VARCHAR", "custom_message": "VARCHAR", "failed_login": "VARCHAR",
                "add": "VARCHAR", "remove": "VARCHAR", "change": "VARCHAR", "with": "VARCHAR", "as": "VARCHAR", "from": "JSON", "to": "JSON"
            }
        }') as t
    from raw
),
read as (
    select
        record_id, t, t.details as d,
        lower(coalesce(
            t.event_name, t.details.event_name,
            case when t.details."with" is not null then 'authenticated_with_' || t.details."with" end,
            case when t.details.failed_login is not null then 'login_failed' end,
            t.details."add" || '_added', t.details."remove" || '_removed', t.details."change" || '_changed',
            t.details.custom_message, 'unnamed'
        )) as action,
        coalesce(t.details.entity_path, t.entity_id) as entity
    from r
),
-- the most telling line of the table for each action
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct action from read) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by telling(k.action)) = 1
)
select
    record_id,
    make_utc(t.created_at) as occurred_at,
    'gitlab' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case when action like '%\_failed' escape '\' then 'failed' else 'succeeded' end as outcome,
    case
        -- tokens of a pipeline's job, of a deployment; robots that stand for an access token of a project or group, and service
        -- accounts, by the address that GitLab makes for them
        when d.author_class in ('Gitlab::Audit::CiRunnerTokenAuthor', 'Gitlab::Audit::DeployTokenAuthor', 'Gitlab::Audit::DeployKeyAuthor') then 'application'
        when regexp_matches(d.author_email, '^((project|group)_\d+_bot|service_account_[^@]*@noreply\.)') then 'application'
        when t.author_id in ('-1', '-3') or d.author_class = 'Gitlab::Audit::UnauthenticatedAuthor' then 'unknown'
        when coalesce(d.author_email, d.author_name) is not null then 'person'
        else 'unknown'
    end as actor_type,
    coalesce(d.author_email, d.author_name, t.author_id) as actor_name,
    'unknown' as channel,
    action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(action, '(_created?|_added|_generated)$|^created?_') then 'create'
        when regexp_matches(action, '(_deleted?|_destroy(ed)?|_removed|_revoked)$|^(deleted?|destroy(ed)?)_') then 'delete'
        else 'update'
    end as operation,
    'gitlab:' || lower(coalesce(t.entity_type, 'unknown')) || '/' || coalesce(entity, '')
        || case when d.target_type is not null and d.target_type is distinct from t.entity_type then '/' || d.target_type || '/' || coalesce(d.target_details, d.target_id, '') else '' end as resource,
    coalesce(entity, '')
        || case when d.target_type is not null and d.target_type is distinct from t.entity_type then '/' || d.target_type || '/' || coalesce(d.target_details, d.target_id, '') else '' end as object,
    split_part(entity, '/', 1) as account,
    diffs_text(case
        when d."from" is not null or d."to" is not null then [{'field': coalesce(d."change", action), 'old': d."from", 'new': d."to"}]
        when d."as" is not null then [{'field': 'role', 'old': null::json, 'new': to_json(d."as")}]
    end) as diffs
from read
left join classed k using (action);
