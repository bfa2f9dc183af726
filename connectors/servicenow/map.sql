-- What ServiceNow's changes and their approvals mean. A change that was worked on is a deployment of `servicenow:ITEM`; its
-- approvals are also those of every run that names its number: each as it stood when the run began, within the time that the
-- change was planned for then, and not once it was closed, cancelled (states 3 and 4) or rejected. Times are UTC.
-- `not_required` is an approval that was skipped.

-- emits: deployment
select
    record_id, 'servicenow:' || (record->>'$.number') as deployment_id, record->>'$.number' as release_id,
    'servicenow:' || coalesce(nullif(record->>'$."cmdb_ci.name"', ''), nullif(record->>'$."business_service.name"', ''), 'change') as pipeline,
    record->>'$.number' as version, 'live' as stage, 'manual' as trigger,
    coalesce(nullif(record->>'$."requested_by.email"', ''), nullif(record->>'$."requested_by.user_name"', '')) as requested_by,
    case when (record->>'$.approval') = 'rejected' then null else make_utc(nullif(record->>'$.work_start', '')) end as started_at,
    make_utc(nullif(record->>'$.work_end', '')) as finished_at,
    case
        when (record->>'$.approval') = 'rejected' then 'rejected'
        when (record->>'$.state') = '4' then 'cancelled'
        when (record->>'$.close_code') like 'unsuccessful%' then 'failed'
        when (record->>'$.close_code') like 'successful_issues%' then 'partial'
        when nullif(record->>'$.work_end', '') is not null then 'succeeded'
        else 'running'
    end as outcome,
    [record->>'$.number'] as tickets,
    case when nullif(record->>'$.correlation_id', '') is not null then [record->>'$.correlation_id'] else [] end as run_ids
from raw
where stream = 'changes'
qualify row_number() over (partition by (record->>'$.sys_id') order by (record->>'$.sys_updated_on') desc, position desc) = 1;

-- emits: approval
with
told as (
    select record_id, position, record->>'$.sys_id' as sys_id, record->>'$.state' as state, make_utc(record->>'$.sys_updated_on') as told_at,
           record->>'$."sysapproval.number"' as ticket, nullif(record->>'$."approver.email"', '') as mail, nullif(record->>'$."approver.user_name"', '') as user_name,
           nullif(record->>'$.sys_updated_by', '') as written_by, record->>'$.comments' as comment
    from raw where stream = 'decisions'
),
turned as (
    select *, state is distinct from lag(state) over (partition by sys_id order by told_at, position) as turns from told
),
-- the row as it was when it came to say what it says: who touched it later decided nothing; it says so until it is turned
decided as (
    select *, lead(told_at) over (partition by sys_id order by told_at, position) as turned_at from turned where turns
),
version as (
    select
        record->>'$.sys_id' as sys_id, record->>'$.number' as number, position, make_utc(record->>'$.sys_updated_on') as told_at,
        make_utc(nullif(record->>'$.start_date', '')) as planned_from, make_utc(nullif(record->>'$.end_date', '')) as planned_to,
        make_utc(nullif(record->>'$.closed_at', '')) as closed_at,
        (record->>'$.state') in ('3', '4') as is_closed, coalesce((record->>'$.approval') = 'rejected', false) as is_refused
    from raw where stream = 'changes'
),
-- what ended a change ended it when that was done, where that is known, else when it was told
dated as (
    select v.*, v.is_closed or v.is_refused as is_over, least(v.told_at, case
        when v.is_refused then (select max(d.told_at) from decided d where d.ticket = v.number and d.state = 'rejected' and d.told_at <= v.told_at)
        else v.closed_at
    end) as since
    from version v
),
-- a change is as it was told until it was told otherwise; before the first time nothing else is known of it, but it was not over
held as (
    select *, lag(since) over told is null as is_first, lead(since) over told as until_ from dated
    window told as (partition by sys_id order by told_at, position)
),
change as (
    select number,
           greatest(case when not is_first then since end, planned_from) as valid_from,
           least(case when is_over then since else until_ end, planned_to) as valid_to
    from held where is_first or not is_over
)
select
    d.record_id, d.ticket, 'pre' as phase,
    case d.state when 'requested' then 'pending' when 'not_required' then 'skipped' else d.state end as decision,
    -- whoever wrote the decision made it, in whosever name
    case when lower(d.written_by) in (lower(d.user_name), 'system') or d.user_name is null or d.state = 'requested' then coalesce(d.mail, d.user_name) else d.written_by end as approver,
    d.told_at as decided_at,
    -- a workflow may write the row; then nobody decided
    coalesce(d.written_by = 'system', false) as automated,
    false as gated, d.comment, c.valid_from, least(c.valid_to, d.turned_at) as valid_to
from decided d
left join change c on c.number = d.ticket
where coalesce(c.valid_from < least(c.valid_to, d.turned_at), true);

-- emits: change
select
    record_id, occurred_at, case stream when 'changes' then 'change-request' else 'change-approval' end as action, 'release-control' as category,
    record->>'$.sys_updated_by' as actor_name, 'servicenow:change/' || coalesce(record->>'$.number', record->>'$."sysapproval.number"', '') as resource
from raw
where occurred_at is not null;
