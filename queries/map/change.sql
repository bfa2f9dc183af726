-- A mapping's changes, with defaults for what it does not say. What has no time or no action is taken in as such, and set
-- aside by the next statement: so the mapping, which costs most, runs once. What a list of objects had in it when it was
-- first read is no change, unless the mapping says that it is one.
insert into event
select
    $source, coalesce(m.system, $system), m.record_id, raw.raw_hash, coalesce(m.occurred_at, '-infinity'),
    coalesce(m.change_key, $source || ':' || m.record_id), m.copy_key, coalesce(m.owner, true),
    coalesce(m.category, if(raw.first, 'evidence', 'change')), coalesce(m.outcome, 'succeeded'), m.error,
    appearance(
        coalesce(m.system, $system), coalesce(m.actor_type, case when m.actor_name is null then 'unknown' else 'person' end), m.actor_name,
        m.actor_role, m.session_name, m.session_key, m.session_started, m.source_identity, m.invoked_by, coalesce(m.console, false)
    ),
    coalesce(m.actor_type, case when m.actor_name is null then 'unknown' else 'person' end),
    m.actor_name, m.actor_role, m.session_name, m.session_key, m.session_started, m.source_identity, m.invoked_by,
    coalesce(m.console, false), coalesce(m.channel, 'unknown'), m.user_agent,
    coalesce(m.action, ''), coalesce(m.operation, 'other'), coalesce(m.resource, ''),
    m.account, m.region, m.subscription, m.resource_group, m.object,
    m.run_ids, m.correlation_ids, m.starts_operation, m.operation_plan, m.operation_role, m.part_of, m.on_behalf_of, m.diffs, m.classed_by,
    m.available_at, m.version,
    case when coalesce(m.category, if(raw.first, 'evidence', 'change')) = 'change' then change_id(coalesce(m.system, $system), coalesce(m.change_key, $source || ':' || m.record_id)) end,
    raw.batch_id, m.ended_at, m.further_resources, coalesce(m.corrects, false)
from (
    select
        null::varchar as record_id, null::timestamp as occurred_at, null::varchar as system, null::varchar as change_key,
        null::varchar as copy_key, null::boolean as owner, null::varchar as category, null::varchar as outcome, null::varchar as error,
        null::varchar as actor_type, null::varchar as actor_name, null::varchar as actor_role, null::varchar as session_name,
        null::varchar as session_key, null::timestamp as session_started, null::varchar as source_identity,
        null::varchar as invoked_by, null::boolean as console, null::varchar as channel, null::varchar as user_agent,
        null::varchar as action, null::varchar as operation, null::varchar as resource, null::varchar as account,
        null::varchar as region, null::varchar as subscription, null::varchar as resource_group, null::varchar as object, null::varchar as version,
        null::varchar[] as run_ids, null::varchar[] as correlation_ids, null::varchar as starts_operation,
        null::varchar as operation_plan, null::varchar as operation_role, null::varchar as part_of, null::varchar as on_behalf_of, null::varchar as diffs,
        null::varchar as classed_by, null::timestamp as available_at, null::timestamp as ended_at, null::varchar[] as further_resources,
        null::boolean as corrects
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id);
