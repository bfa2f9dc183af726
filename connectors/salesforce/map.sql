-- What Salesforce's setup audit trail means. Sees raw(…) and the table action_class: what is a change. All of it is setup;
-- the table takes out the people who come and go, their passwords and sign-ins.

-- emits: change
with
r as (
    select
        record_id,
        from_json(record, '{
            "Id": "VARCHAR", "Action": "VARCHAR", "Section": "VARCHAR", "CreatedDate": "VARCHAR", "CreatedById": "VARCHAR",
            "CreatedBy": {"Username": "VARCHAR"}, "DelegateUser": "VARCHAR", "Display": "VARCHAR", "ResponsibleNamespacePrefix": "VARCHAR"
        }') as t
    from raw
),
read as (
    select record_id, t, lower(coalesce(t.Action, 'unnamed')) as action, coalesce(nullif(t.Section, ''), 'Setup') as section
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
    make_utc(t.CreatedDate) as occurred_at,
    'salesforce' as system,
    coalesce(k.category, 'change') as category,
    'action_class:' || k.line as classed_by,
    case
        -- Automated Process, the user by which Salesforce and the organisation's own automations act: no person's, and
        -- since only its name says so, not the platform's either
        when nullif(t.DelegateUser, '') is null and regexp_matches(t.CreatedBy.Username, '(?i)^autoproc@00d[0-9a-z]{12,15}$') then 'workload'
        when coalesce(nullif(t.DelegateUser, ''), t.CreatedBy.Username, t.CreatedById) is not null then 'person'
        -- an entry without an author is the platform's own
        else 'service'
    end as actor_type,
    -- whoever was signed in as somebody else is who acted
    coalesce(nullif(t.DelegateUser, ''), t.CreatedBy.Username, t.CreatedById, 'salesforce') as actor_name,
    'unknown' as channel,
    action,
    case
        when k.operation is not null then k.operation
        when regexp_matches(action, '^(created?|insert|add|new|install)') then 'create'
        when regexp_matches(action, '^(deleted?|remove|uninstall)') then 'delete'
        else 'update'
    end as operation,
    'salesforce:' || section as resource,
    section as object,
    nullif(t.ResponsibleNamespacePrefix, '') as account,
    diffs_text([{'field': action, 'old': null, 'new': t.Display}]) as diffs
from read
left join classed k using (action);
