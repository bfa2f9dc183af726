-- What entries of Strapi's audit log mean. A draft has no publishedAt: to save one changes nothing live.

-- emits: change
with
r as (
    select
        record_id, coalesce(make_utc(record->>'$.date'), occurred_at) as occurred_at,
        record->>'$.action' as action,
        coalesce(nullif(record->>'$.user.email', ''), nullif(record->>'$.user.displayName', ''), 'user ' || (record->>'$.user.id')) as person,
        coalesce(record->>'$.payload.uid', record->>'$.payload.model') as model,
        -- version 5 names a document, version 4 an entry; other objects lie under their own names
        coalesce(record->>'$.payload.entry.documentId', record->>'$.payload.entry.id', record->>'$.payload.media.id', record->>'$.payload.user.id', record->>'$.payload.role.id', record->>'$.payload.contentType.uid', record->>'$.payload.resource.id', record->>'$.payload.id') as id,
        -- a document of version 5 has its languages under one name, an entry of version 4 has one; the version says which
        (record->>'$.payload.entry.updatedAt') || coalesce('/' || case when (record->>'$.payload.entry.documentId') is not null then record->>'$.payload.entry.locale' end, '') as version,
        json_type(record, '$.payload.entry.publishedAt') = 'NULL' as draft,
        -- what was set to happen at a time: who set it is in an entry of its own
        (record->>'$.payload.origin') = 'scheduler' as scheduled,
        record->>'$.payload.outcome' as outcome,
        record->'$.payload' as payload
    from raw
),
classed as (
    select r.*, coalesce(k.category, 'change') as class, coalesce(k.operation, 'other') as class_operation, k.action as classed_by
    from r
    left join action_class k on r.action glob k.action
    qualify row_number() over (partition by r.record_id order by telling(k.action)) = 1
),
-- An entry tells a user as they became. Whose own it is, and whose roles and activity are as an earlier entry told them, has
-- changed their own particulars; where no earlier one tells them, it may have been their rights.
own_particulars as (
    select record_id
    from (
        select
            record_id, record->>'$.action' as action, record->>'$.user.id' as who, record->>'$.payload.user.id' as whom,
            case when json_array_length(record, '$.payload.user.roles') > 0 and (record->>'$.payload.user.isActive') is not null then
                [list_sort(record->>'$.payload.user.roles[*].id')::varchar, record->>'$.payload.user.isActive', coalesce(record->>'$.payload.user.blocked', '')]
            end as rights,
            lag(rights) over (partition by whom order by occurred_at, try_cast(record->>'$.id' as bigint)) as rights_before
        from raw
        where (record->>'$.action') in ('user.create', 'user.update')
    )
    where action = 'user.update' and who = whom and rights = rights_before
),
named as (
    select
        *,
        case when action like 'entry.%' then regexp_replace(coalesce(model, 'entry'), '^api::[^.]*\.', '') else split_part(action, '.', 1) end || '/' || coalesce(id, '-') as object
    from classed
)
select
    record_id, occurred_at,
    case when record_id in (from own_particulars) then 'business' when class = 'change' and draft and action in ('entry.create', 'entry.update', 'entry.delete') then 'non-change' else class end as category,
    case when action like '%fail' or action like '%error' or outcome in ('failure', 'failed') then 'failed' else 'succeeded' end as outcome,
    case when scheduled and person is null then 'service' when person is null then 'unknown' else 'person' end as actor_type,
    case when scheduled and person is null then 'scheduler' else person end as actor_name,
    case when scheduled then 'service' when action like 'entry.%' or action like 'media%' then 'content-editor' when person is not null then 'console' else 'unknown' end as channel,
    action,
    case when record_id in (from own_particulars) then 'update' else class_operation end as operation,
    'strapi:' || object as resource,
    object, version,
    case when action like 'entry.%' then to_json(list_filter(
        list_transform(list_filter(json_keys(payload, '$.entry'), lambda k: k not in ('id', 'documentId', 'createdAt', 'updatedAt', 'createdBy', 'updatedBy')),
            lambda k: {'field': k, 'old': null::varchar, 'new': left(json_extract_string(payload, '/entry/' || replace(replace(k, '~', '~0'), '/', '~1')), 2000)}),
        lambda d: d.new is not null))::varchar end as diffs,
    classed_by
from named;

-- emits: deployment
-- What one person saved last and another published, in the same language.
with
log as (
    select
        source, record_id, coalesce(make_utc(record->>'$.date'), occurred_at) as occurred_at, record->>'$.action' as action,
        coalesce(nullif(record->>'$.user.email', ''), nullif(record->>'$.user.displayName', ''), 'user ' || (record->>'$.user.id')) as person,
        regexp_replace(coalesce(record->>'$.payload.uid', record->>'$.payload.model', 'entry'), '^api::[^.]*\.', '') || '/' || coalesce(record->>'$.payload.entry.documentId', record->>'$.payload.entry.id') as object,
        coalesce(record->>'$.payload.entry.locale', '') as locale,
        (record->>'$.payload.entry.updatedAt') || coalesce('/' || case when (record->>'$.payload.entry.documentId') is not null then record->>'$.payload.entry.locale' end, '') as version
    from raw
    where (record->>'$.action') in ('entry.create', 'entry.update', 'entry.publish')
),
published as (
    select p.*, w.person as writer
    from (select l.* from log l join raw using (record_id)) p
    asof join (from log where action <> 'entry.publish') w on w.object = p.object and w.locale = p.locale and w.occurred_at <= p.occurred_at
    where p.action = 'entry.publish' and p.version is not null
)
select
    record_id,
    source || ':' || object || '@' || version as deployment_id,
    source || ':' || object || '@' || version as release_id,
    'strapi' as pipeline, version, 'publish' as stage, 'manual' as trigger,
    writer as requested_by, [writer] as authors, occurred_at as started_at, occurred_at as finished_at, 'succeeded' as outcome,
    [{'phase': 'pre', 'decision': 'approved', 'approver': person, 'decided_at': occurred_at, 'automated': false, 'gated': true, 'comment': null::varchar}] as approvals,
    ['strapi:' || object || '@' || version] as items
from published
where lower(writer) <> lower(person);
