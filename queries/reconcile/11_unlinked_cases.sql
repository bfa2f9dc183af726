-- What no release explains, one row for each case: what a person looks at as one thing.

-- keeps: unlinked_case
with unlinked as (
    select c.*, coalesce(t.actor_reason = 'claimed-name', false) as is_claimed
    from change_of_case c
    left join (select change_id, actor_reason from attributed) t using (change_id)
    where verdict in ('manual', 'unrecorded', 'unattributed') or (verdict = 'exempted' and deployment_id = '')
    -- what is exempted is told where nothing else is
    qualify verdict <> 'exempted' or not bool_or(verdict <> 'exempted') over (partition by case_id, service, environment)
)
select
    case when bool_or(verdict = 'manual' or (verdict = 'exempted' and actor_kind = 'person')) then 'automated' else 'recorded' end as control,
    'high' as severity,
    'case' as subject_kind,
    case_id,
    any_value(service order by service) as service, any_value(environment order by environment) as environment,
    -- a name that the caller chose accuses nobody
    any_value(case when is_claimed then '' else actor end order by occurred_at, change_id) as actor,
    count(*) || case when count(*) = 1 then ' change' else ' changes' end || ' (' || string_agg(distinct verdict || ': ' || reason, ', ' order by verdict || ': ' || reason) || ') by '
        || any_value(case when actor = '' then 'nobody named' when is_claimed then 'somebody who took the name ' || actor else actor end order by occurred_at, change_id)
        || ', first ' || arg_min(action, (occurred_at, change_id)) || ' at ' || strftime(min(occurred_at), '%Y-%m-%dT%H:%M:%SZ') as summary,
    bool_and(state = 'provisional') as provisional,
    nullif(min(exemption_id), '') as exemption_id,
    max(occurred_at) as happened_at,
    list(part(change_id) order by change_id) as parts
from unlinked
group by case_id, service, environment;
