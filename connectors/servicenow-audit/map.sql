-- What ServiceNow's sys_audit means. Sees raw(…) and the table table_class: which tables are configuration, which rights,
-- which daily work. Each record is one field; the fields that one save touched are one change.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "sys_id": "VARCHAR", "sys_created_on": "VARCHAR", "tablename": "VARCHAR", "fieldname": "VARCHAR", "documentkey": "VARCHAR",
            "user": "VARCHAR", "oldvalue": "VARCHAR", "newvalue": "VARCHAR", "reason": "VARCHAR", "record_checkpoint": "VARCHAR"
        }') as t
    from raw
),
read as (
    select record_id, t, lower(coalesce(t.tablename, 'unnamed')) as name
    from r
),
-- the most telling line for each table: an exact name before a pattern, a long pattern before a short one
classed as (
    select a.name, k.category, k.operation, k.table_name as line
    from (select distinct name from read) a
    join table_class k on a.name glob k.table_name
    qualify row_number() over (partition by a.name order by position('*' in k.table_name) > 0, length(k.table_name) desc) = 1
)
select
    record_id,
    make_utc(t.sys_created_on) as occurred_at,
    'servicenow' as system,
    concat_ws('|', name, t.documentkey, coalesce(nullif(t.record_checkpoint, ''), record_id)) as change_key,
    coalesce(k.category, 'change') as category,
    'table_class:' || k.line as classed_by,
    case
        -- ServiceNow's own staff
        when lower(t."user") in ('maint', 'glide.maint') then 'service'
        -- jobs and rules, whoever wrote them
        when lower(t."user") = 'system' then 'workload'
        when lower(t."user") = 'guest' then 'unknown'
        when nullif(t."user", '') is not null then 'person'
        else 'unknown'
    end as actor_type,
    nullif(t."user", '') as actor_name,
    'unknown' as channel,
    name || '.' || lower(coalesce(t.fieldname, '')) as action,
    case
        when k.operation is not null then k.operation
        when t.fieldname = 'DELETED' then 'delete'
        when t.fieldname = 'INSERTED' then 'create'
        else 'update'
    end as operation,
    'servicenow:' || name || '/' || coalesce(t.documentkey, '') as resource,
    name || '/' || coalesce(t.documentkey, '') as object,
    diffs_text([{'field': t.fieldname, 'old': t.oldvalue, 'new': t.newvalue}]) as diffs
from read
left join classed k using (name);
