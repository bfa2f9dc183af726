-- What Confluence's audit records mean. Sees raw(…) and the table action_class: what is a change, by the record's category
-- and summary. Confluence records its configuration, spaces and permissions here, not the edits of pages.

-- emits: change
with
r as (
    select
        record_id, occurred_at,
        from_json(record, '{
            "creationDate": "VARCHAR", "summary": "VARCHAR", "category": "VARCHAR",
            "author": {"type": "VARCHAR", "displayName": "VARCHAR", "accountId": "VARCHAR", "accountType": "VARCHAR", "username": "VARCHAR"},
            "affectedObject": {"name": "VARCHAR", "objectType": "VARCHAR"},
            "changedValues": [{"name": "VARCHAR", "oldValue": "VARCHAR", "newValue": "VARCHAR"}],
            "associatedObjects": [{"name": "VARCHAR", "objectType": "VARCHAR"}]
        }') as t
    from raw
),
read as (
    select
        record_id, t, lower(coalesce(t.category, '')) as area, lower(coalesce(t.summary, '')) as summary,
        lower(coalesce(nullif(t.affectedObject.objectType, ''), 'site')) || '/' || coalesce(t.affectedObject.name, '') as object
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
    epoch_ms(try_cast(t.creationDate as bigint)) as occurred_at,
    'confluence' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case
        -- nobody's account, and a name that only Confluence itself goes by then
        when t.author.accountId is null and t.author.username is null and lower(t.author.displayName) = 'system' then 'service'
        when t.author.accountType = 'app' then 'application'
        when coalesce(t.author.accountId, t.author.username) is not null then 'person'
        else 'unknown'
    end as actor_type,
    -- the name that is shown is whatever its owner likes; the account id is not
    coalesce(t.author.accountId, t.author.username, t.author.displayName) as actor_name,
    'unknown' as channel,
    area || ': ' || summary as action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(summary, '(created|added|installed|imported)') then 'create'
        when regexp_matches(summary, '(deleted|removed|uninstalled|purged)') then 'delete'
        else 'update'
    end as operation,
    'confluence:' || object as resource,
    object,
    diffs_text(list_transform(t.changedValues, lambda x: {'field': x.name, 'old': x.oldValue, 'new': x.newValue})) as diffs
from read
left join classed k using (area, summary);
