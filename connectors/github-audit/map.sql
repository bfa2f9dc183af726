-- What entries of GitHub's audit log mean. An action that action_class.csv does not know is a change, and loud.

-- emits: change
with
entry as (
    select
        record_id, occurred_at,
        from_json(record, '{"action":"VARCHAR","actor":"VARCHAR","actor_is_bot":"BOOLEAN","operation_type":"VARCHAR","org":"VARCHAR","repo":"VARCHAR","team":"VARCHAR","user":"VARCHAR","name":"VARCHAR","environment_name":"VARCHAR","ruleset_name":"VARCHAR","hook_id":"VARCHAR","user_agent":"VARCHAR","programmatic_access_type":"VARCHAR","external_identity_nameid":"VARCHAR","workflow_run_id":"VARCHAR","head_sha":"VARCHAR","resolution":"VARCHAR"}') as r,
        json_extract(record, '$.changes') as changes,
        json_extract(record, '$.old_permission') as old_permission, json_extract(record, '$.permission') as new_permission
    from raw
),
-- an alert about a secret that was revoked is dealt with, one that somebody waves through is not: what the table looks at tells
e as (
    select *, r.action || case when r.action = 'secret_scanning_alert.resolve' then coalesce('/' || nullif(word_of(r.resolution), ''), '') else '' end as done
    from entry
),
-- the most telling line of the table for each
class as (
    select a.done, c.category, c.operation, c.action as line
    from (select distinct done from e) a
    join action_class c on a.done glob c.action
    qualify row_number() over (partition by a.done order by telling(c.action)) = 1
)
select
    e.record_id,
    e.occurred_at,
    r.action as action,
    coalesce(class.category, 'change') as category,
    case when regexp_matches(r.action, '(\.|_)(failed|failure)$') then 'failed' else 'succeeded' end as outcome,
    coalesce(class.operation, case r.operation_type when 'create' then 'create' when 'modify' then 'update' when 'remove' then 'delete' else 'other' end) as operation,
    case
        when r.actor is null then 'unknown'
        when r.actor_is_bot or r.actor like '%[bot]' or r.actor = 'github-actions' then 'application'
        else 'person'
    end as actor_type,
    -- the mail that the identity provider vouches for is better known than a login
    coalesce(r.external_identity_nameid, r.actor) as actor_name,
    case
        when r.programmatic_access_type is not null then 'api'
        when r.user_agent like 'Mozilla/%' then 'console'
        else 'unknown'
    end as channel,
    r.user_agent as user_agent,
    'github:' || split_part(r.action, '.', 1) || '/' || coalesce(r.repo || coalesce('/' || coalesce(r.environment_name, r.ruleset_name, r.hook_id, r.name), ''), r.team, r.user, r.org, '') as resource,
    coalesce(r.repo, r.team, r.org) as object,
    r.org as account,
    case when r.head_sha is not null then [r.head_sha] end as correlation_ids,
    case
        when old_permission is not null then json([{field: 'permission', old: old_permission, new: new_permission}])::varchar
        when json_type(changes) = 'OBJECT' then json(list_transform(
            json_keys(changes),
            lambda k: {field: k, old: json_extract(changes, '/' || k || '/from'), new: json_extract(changes, '/' || k || '/to')}
        ))::varchar
    end as diffs,
    coalesce(class.line, 'unknown action') as classed_by
from e
left join class on class.done = e.done
