-- What Umbraco's trails and content mean. The trail of a document says who did what; what is live, and whether it
-- differs, is seen from outside, as the site's visitors get it.

-- emits: change
with
person as (
    select record->>'$.id' as id, coalesce(nullif(record->>'$.email', ''), nullif(record->>'$.userName', ''), record->>'$.name') as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by occurred_at desc nulls last, record_id desc) = 1
),
trail as (
    select
        t.record_id, coalesce(make_utc(t.record->>'$.timestamp'), t.occurred_at) as occurred_at, t.item as document, t.record->>'$.logType' as action,
        t.record->>'$.user.id' as by_whom, t.record->>'$.comment' as comment, t.record->>'$.timestamp' as version,
        coalesce(k.category, 'change') as class, coalesce(k.operation, 'other') as operation, k.action as classed_by
    from raw t
    left join action_class k on (t.record->>'$.logType') glob k.action
    where t.stream = 'trail'
    qualify row_number() over (partition by t.record_id order by telling(k.action)) = 1
),
content as (
    select
        record_id, occurred_at as seen_at, first, deleted, record, previous, b->>'$.id' as id,
        coalesce(make_utc(record->>'$.updateDate'), occurred_at) as updated_at
    from (select *, case when deleted then previous else record end::json as b from raw where stream = 'content')
),
diffed as (
    select
        record_id,
        list_filter(list_transform(
            list_sort(list_distinct(list_concat(
                list_transform(list_filter(list_concat(json_keys(record), json_keys(previous)), lambda k: k not in ('properties', 'updateDate', 'cultures')), lambda k: '/' || replace(replace(k, '~', '~0'), '/', '~1')),
                list_transform(list_concat(coalesce(json_keys(record, '$.properties'), []), coalesce(json_keys(previous, '$.properties'), [])), lambda k: '/properties/' || replace(replace(k, '~', '~0'), '/', '~1'))
            ))),
            lambda p: {'field': regexp_replace(p, '^/(properties/)?', ''), 'old': left(json_extract_string(previous, p), 2000), 'new': left(json_extract_string(record, p), 2000)}
        ), lambda d: d.old is distinct from d.new) as diffs
    from raw
    where stream in ('content', 'users', 'groups') and not deleted and previous is not null
),
seen as (
    select
        c.record_id, case when c.deleted then c.seen_at else c.updated_at end as occurred_at,
        case
            when c.first then 'evidence'
            -- its trail tells it, with who
            when not c.deleted and exists (from trail t where t.document = c.id and t.class = 'change' and t.occurred_at between c.updated_at - interval 1 minute and c.updated_at + interval 1 minute) then 'evidence'
            when c.previous is not null and not c.deleted and len(d.diffs) = 0 then 'non-change'
            else 'change'
        end as category,
        'document.' || case when c.deleted then 'unpublish' when c.previous is null then 'publish' else 'update' end as action,
        case when c.deleted then 'unpublish' when c.previous is null then 'publish' else 'update' end as operation,
        c.id as document, coalesce(c.record->>'$.updateDate', c.previous->>'$.updateDate') as version,
        case when c.deleted or c.previous is null then to_json([{'field': 'name', 'old': (c.previous->>'$.name'), 'new': case when not c.deleted then (c.record->>'$.name') end}]) else to_json(d.diffs) end as diffs
    from content c
    left join diffed d using (record_id)
),
logged as (
    select
        t.record_id, t.occurred_at,
        -- what was there at the first snapshot is inventory, and so is how it came about
        case when t.class = 'change' and exists (from content c where c.id = t.document and c.first and t.occurred_at <= c.updated_at + interval 1 minute) then 'evidence' else t.class end as category,
        coalesce(p.name, 'user ' || t.by_whom) as actor_name,
        'document.' || t.action as action, t.operation, t.document, t.version,
        coalesce(
            -- the old and new of the snapshot that shows it
            (select any_value(to_json(d.diffs)) from content c join diffed d using (record_id) where c.id = t.document and t.class = 'change' and t.occurred_at between c.updated_at - interval 1 minute and c.updated_at + interval 1 minute),
            case when t.comment <> '' then to_json([{'field': 'comment', 'old': null::varchar, 'new': left(t.comment, 2000)}]) end
        ) as diffs,
        t.classed_by
    from trail t
    left join person p on p.id = t.by_whom
)
select
    record_id, occurred_at, category, case when actor_name is null then 'unknown' else 'person' end as actor_type, actor_name, 'content-editor' as channel,
    action, operation, 'umbraco:document/' || document as resource, 'document/' || document as object, version, diffs::varchar as diffs, classed_by
from (from seen union all by name from logged)
union all by name
select
    r.record_id, r.occurred_at,
    case
        when r.first then 'evidence'
        when r.stream = 'users' and not r.deleted and r.previous is not null and len(list_filter(d.diffs, lambda x: x.field in ('userGroupIds', 'state', 'email', 'userName', 'isAdmin', 'hasAccessToSensitiveData'))) = 0 then 'non-change'
        else 'change'
    end as category,
    'unknown' as actor_type, null as actor_name, 'unknown' as channel,
    rtrim(r.stream, 's') || case when r.deleted then '.delete' when r.previous is null then '.create' else '.update' end as action,
    'permission' as operation,
    'umbraco:' || rtrim(r.stream, 's') || '/' || coalesce(r.record->>'$.id', r.previous->>'$.id') as resource,
    rtrim(r.stream, 's') || '/' || coalesce(r.record->>'$.id', r.previous->>'$.id') as object,
    null as version,
    to_json(d.diffs)::varchar as diffs,
    null as classed_by
from raw r
left join diffed d using (record_id)
where r.stream in ('users', 'groups');

-- emits: deployment
-- What one person sent for publication and another published, with nothing saved in between, language by language.
with
person as (
    select record->>'$.id' as id, coalesce(nullif(record->>'$.email', ''), nullif(record->>'$.userName', ''), record->>'$.name') as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by occurred_at desc nulls last, record_id desc) = 1
),
trail as (
    select
        source, record_id, item as document, record->>'$.timestamp' as version, coalesce(make_utc(record->>'$.timestamp'), occurred_at) as occurred_at,
        record->>'$.logType' as action, record->>'$.user.id' as by_whom,
        -- between commas; a name may have one in its brackets
        list_transform(regexp_extract_all(coalesce(record->>'$.parameters', ''), '[^,(]+(?:\([^)]*\))?'), lambda l: lower(trim(l))) as languages
    from raw
    where stream = 'trail'
      and (record->>'$.logType') in ('Save', 'SaveVariant', 'SendToPublish', 'SendToPublishVariant', 'Publish', 'PublishVariant', 'RollBack')
),
-- to send is to save first; some versions name the languages there, and have only codes for them here
named as (
    select * replace (
        case
            when action = 'SendToPublishVariant' and lag(action) over document_order = 'SaveVariant' and lag(by_whom) over document_order = by_whom
                then lag(languages) over document_order
            else languages
        end as languages
    )
    from trail
    window document_order as (partition by document order by occurred_at, record_id)
),
spoken as (
    select document, list_distinct(flatten(list(languages))) as languages from named group by document
),
-- what names no language is about all of them; but nobody has sent what is not named
stepped as (
    select
        *, lag(action) over language_order as before, lag(by_whom) over language_order as by_whom_before, lag(occurred_at) over language_order as occurred_before
    from (
        select
            n.*,
            unnest(case
                when len(n.languages) > 0 then n.languages
                when n.action = 'SendToPublishVariant' then []
                when len(k.languages) > 0 then k.languages
                else ['']
            end) as language
        from named n
        join spoken k using (document)
    )
    window language_order as (partition by document, language order by occurred_at, record_id)
),
-- a language in which nothing was saved since it was last published says nothing new
published as (
    select
        source, record_id, document, version, occurred_at, by_whom,
        arg_max(by_whom_before, occurred_before) filter (where before like 'SendToPublish%') as asked_by
    from stepped
    where action like 'Publish%'
    group by source, record_id, document, version, occurred_at, by_whom
    having bool_and(coalesce(before like 'Publish%' or (before like 'SendToPublish%' and by_whom_before <> by_whom), false)) and bool_or(before like 'SendToPublish%')
)
select
    s.record_id,
    s.source || ':document/' || s.document || '@' || s.version as deployment_id,
    s.source || ':document/' || s.document || '@' || s.version as release_id,
    'umbraco' as pipeline, s.version, 'publish' as stage, 'manual' as trigger,
    coalesce(a.name, 'user ' || s.asked_by) as requested_by,
    s.occurred_at as started_at, s.occurred_at as finished_at, 'succeeded' as outcome,
    [{'phase': 'pre', 'decision': 'approved', 'approver': coalesce(p.name, 'user ' || s.by_whom), 'decided_at': s.occurred_at, 'automated': false, 'gated': true, 'comment': 'sent for publication'}] as approvals,
    ['umbraco:document/' || s.document || '@' || s.version] as items
from published s
left join person a on a.id = s.asked_by
left join person p on p.id = s.by_whom;
