-- What LaunchDarkly's audit log means. Sees raw(…) and the table action_class: what is a change, by kind of thing and
-- action. A flag that is switched in an environment changes what its users get, without any release: the environment is in
-- the object (proj/default:env/production:flag/x), and scopes tell live from the rest. One entry may tell of several
-- actions, in several environments: each object that it touched is a change of its own, and the gravest action on it counts.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "_id": "VARCHAR", "date": "BIGINT", "kind": "VARCHAR", "name": "VARCHAR", "titleVerb": "VARCHAR", "comment": "VARCHAR",
            "accesses": [{"action": "VARCHAR", "resource": "VARCHAR"}],
            "member": {"_id": "VARCHAR", "email": "VARCHAR"},
            "token": {"_id": "VARCHAR", "name": "VARCHAR", "serviceToken": "BOOLEAN"},
            "app": {"_id": "VARCHAR", "name": "VARCHAR"},
            "target": {"resources": ["VARCHAR"]},
            "previousVersion": "JSON", "currentVersion": "JSON"
        }') as t
    from raw
),
-- an entry that names no action is one all the same
touched as (
    select record_id, t, unnest(case when len(t.accesses) > 0 then t.accesses else [null] end) as access
    from r
),
read as (
    select
        record_id, t,
        lower(coalesce(t.kind, 'unnamed')) || '.' || lower(coalesce(access.action, t.titleVerb, 'changed')) as action,
        coalesce(access.resource, t.target.resources[1], t.kind || '/' || t.name, '') as object
    from touched
),
-- the most telling line of the table for each action
classed as (
    select a.action, k.category, k.operation, k.action as line
    from (select distinct action from read) a
    join action_class k on a.action glob k.action
    qualify row_number() over (partition by a.action order by telling(k.action)) = 1
),
-- what was done to the object: a change before what is none; of changes one of who may do what, then of what users get
gravest as (
    select
        read.*, coalesce(k.category, 'change') as category, k.operation, k.line,
        regexp_extract(object, 'env/([^:;]+)', 1) as environment
    from read
    left join classed k using (action)
    qualify row_number() over (
        partition by record_id, object
        order by list_position(['change', 'release-control', 'business', 'non-change'], coalesce(k.category, 'change')),
            coalesce(list_position(['permission', 'deploy'], k.operation), 3), action
    ) = 1
)
select
    record_id,
    epoch_ms(t."date") as occurred_at,
    'launchdarkly' as system,
    category,
    'action_class:' || line as classed_by,
    case
        when t.token.serviceToken then 'application'
        when t.member.email is not null then 'person'
        when coalesce(t.token._id, t.app._id) is not null then 'application'
        else 'unknown'
    end as actor_type,
    case when t.token.serviceToken or t.member.email is null then coalesce(t.token._id, t.app._id) else t.member.email end as actor_name,
    case when t.token.serviceToken then t.token._id end as actor_role,
    case when coalesce(t.token._id, t.app._id) is not null then 'api' else 'unknown' end as channel,
    t.token._id as session_key,
    action,
    case
        when operation is not null then operation
        when action glob '*.create*' or action glob '*.clone*' then 'create'
        when action glob '*.delete*' then 'delete'
        else 'update'
    end as operation,
    'launchdarkly:' || object as resource,
    object,
    nullif(regexp_extract(object, 'proj/([^:;]+)', 1), '') as account,
    -- what differs in the environment; of things without environments, what differs at all
    diffs_text(case
        when environment <> '' then object_diffs(
            json_extract(t.previousVersion, '/environments/' || replace(replace(environment, '~', '~0'), '/', '~1')),
            json_extract(t.currentVersion, '/environments/' || replace(replace(environment, '~', '~0'), '/', '~1'))
        )
        else object_diffs(t.previousVersion, t.currentVersion)
    end) as diffs
from gravest;
