-- What ServiceNow's sys_audit means. Sees raw(…) and the table table_class: which tables are configuration, which rights,
-- which daily work. Each record is one field; the fields that one save touched are one change. What a save of a knowledge
-- article means depends on whether anybody could read it then: the steps of its workflow tell, which came before or come yet.

-- together
select record_id, record->>'$.documentkey' as key
from raw
where regexp_matches(lower(record->>'$.tablename'), '^kb_knowledge$|^(u_)?kb_template_');

-- emits: change
with
r as (
    select
        source, record_id,
        from_json(record, '{
            "sys_id": "VARCHAR", "sys_created_on": "VARCHAR", "tablename": "VARCHAR", "fieldname": "VARCHAR", "documentkey": "VARCHAR",
            "user": "VARCHAR", "oldvalue": "VARCHAR", "newvalue": "VARCHAR", "reason": "VARCHAR", "record_checkpoint": "VARCHAR"
        }') as t
    from raw
),
read as (
    select
        source, record_id, t, lower(coalesce(t.tablename, 'unnamed')) as name,
        -- an article with a template has a table of its own, and its steps stand there
        regexp_matches(name, '^kb_knowledge$|^(u_)?kb_template_') as is_article
    from r
),
-- the most telling line for each table: an exact name before a pattern, a long pattern before a short one
classed as (
    select a.name, k.category, k.operation, k.table_name as line
    from (select distinct name from read) a
    join table_class k on a.name glob k.table_name
    qualify row_number() over (partition by a.name order by telling(k.table_name)) = 1
),
-- The state of an article before and after each save: what the latest step made of it, before the first that is known what
-- that step found. Where no step is known, and in states that are not in the table, it may be read.
article as (
    select
        record_id,
        coalesce(last_value(step_to ignore nulls) over earlier, first_value(step_from ignore nulls) over later) not in (select state from hidden_state) as was_live,
        coalesce(last_value(step_to ignore nulls) over until_now, first_value(step_from ignore nulls) over later) not in (select state from hidden_state) and not deleted as is_live,
        coalesce(last_value(step_to ignore nulls) over until_now = 'outdated', false) as is_outdated
    from (
        select
            record_id, t.documentkey as article, make_utc(t.sys_created_on) as occurred_at, coalesce(try_cast(t.record_checkpoint as bigint), 0) as save,
            case when t.fieldname = 'workflow_state' then coalesce(nullif(lower(t.oldvalue), ''), 'none') end as step_from,
            case when t.fieldname = 'workflow_state' then coalesce(nullif(lower(t.newvalue), ''), 'none') end as step_to,
            t.fieldname = 'DELETED' as deleted
        from read
        where is_article
    )
    window
        until_now as (partition by article order by occurred_at, save range between unbounded preceding and current row),
        earlier as (partition by article order by occurred_at, save groups between unbounded preceding and 1 preceding),
        later as (partition by article order by occurred_at, save range between current row and unbounded following)
),
saved as (
    select
        source, record_id, t, name, a.record_id is not null as of_an_article,
        coalesce(a.was_live, true) as was_live, coalesce(a.is_live, t.fieldname is distinct from 'DELETED') as is_live, a.is_outdated
    from read
    left join article a using (record_id)
)
select
    record_id,
    make_utc(t.sys_created_on) as occurred_at,
    'servicenow' as system,
    -- an instance that was copied has the same records, and counts their versions alike; what is deleted has no version (-1)
    concat_ws('|', source, name, t.documentkey, case when t.record_checkpoint not in ('', '-1') then t.record_checkpoint else record_id end) as change_key,
    case
        -- nobody could read it, or a step alters nothing for those who read
        when of_an_article and was_live = is_live and (not is_live or t.fieldname = 'workflow_state') then 'non-change'
        -- a newer version has taken its place: that one's publication is the change
        when is_outdated then 'non-change'
        else coalesce(k.category, 'change')
    end as category,
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
    case when of_an_article then 'content-editor' else 'unknown' end as channel,
    name || '.' || lower(coalesce(t.fieldname, '')) as action,
    case
        when k.operation is not null then k.operation
        when t.fieldname = 'DELETED' then 'delete'
        when of_an_article and is_live and not was_live then 'publish'
        when of_an_article and was_live and not is_live then 'unpublish'
        when t.fieldname = 'INSERTED' then 'create'
        else 'update'
    end as operation,
    'servicenow:' || name || '/' || coalesce(t.documentkey, '') as resource,
    name || '/' || coalesce(t.documentkey, '') as object,
    case when of_an_article then nullif(t.record_checkpoint, '') end as version,
    diffs_text([{'field': t.fieldname, 'old': t.oldvalue, 'new': t.newvalue}]) as diffs
from saved
left join classed k using (name);
