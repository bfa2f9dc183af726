-- What Jira's audit records mean. Sees raw(…) and the table action_class: what is a change, by the record's category and
-- summary. Jira records its configuration here, not its tickets.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "id": "VARCHAR", "summary": "VARCHAR", "category": "VARCHAR", "eventSource": "VARCHAR", "created": "VARCHAR",
            "authorAccountId": "VARCHAR", "authorKey": "VARCHAR",
            "objectItem": {"id": "VARCHAR", "name": "VARCHAR", "typeName": "VARCHAR", "parentId": "VARCHAR", "parentName": "VARCHAR"},
            "changedValues": [{"fieldName": "VARCHAR", "changedFrom": "VARCHAR", "changedTo": "VARCHAR"}]
        }') as t
    from raw
),
read as (
    select
        record_id, t, lower(coalesce(t.category, '')) as area, lower(coalesce(t.summary, '')) as summary,
        lower(coalesce(t.objectItem.typeName, 'site')) || '/' || coalesce(t.objectItem.id, t.objectItem.name, '') as object
    from r
),
-- the most telling line of the table for each action: an exact summary before a pattern, then a category before all of them, a long pattern before a short one
classed as (
    select a.area, a.summary, k.category, k.operation, k.area || ': ' || k.summary as line
    from (select distinct area, summary from read) a
    join action_class k on a.area glob k.area and a.summary glob k.summary
    qualify row_number() over (
        partition by a.area, a.summary
        order by telling(k.summary)[1], telling(k.area), telling(k.summary)
    ) = 1
)
select
    record_id,
    make_utc(t.created) as occurred_at,
    'jira' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case when coalesce(t.authorAccountId, t.authorKey) is not null then 'person' else 'unknown' end as actor_type,
    coalesce(t.authorAccountId, t.authorKey) as actor_name,
    -- an application that acted for the person
    case when nullif(t.eventSource, '') is not null then 'api' else 'unknown' end as channel,
    nullif(t.eventSource, '') as user_agent,
    area || ': ' || summary as action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(summary, '(created|added|copied|imported)') then 'create'
        when regexp_matches(summary, '(deleted|removed)') then 'delete'
        else 'update'
    end as operation,
    'jira:' || object as resource,
    object,
    diffs_text(list_transform(t.changedValues, lambda x: {'field': x.fieldName, 'old': x.changedFrom, 'new': x.changedTo})) as diffs
from read
left join classed k using (area, summary);
