-- What Contentful's objects mean. Live is what was published: a rising publishedCounter is a publication, a
-- publishedVersion that is gone was taken back, everything else a draft.

-- emits: change
with
person as (
    select record->>'$.sys.id' as id, coalesce(nullif(record->>'$.email', ''), concat_ws(' ', record->>'$.firstName', record->>'$.lastName')) as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.sys.id') order by occurred_at desc nulls last, record_id desc) = 1
),
object as (
    select
        record_id, occurred_at, stream, first, deleted, previous,
        case stream when 'entries' then 'entry' when 'aliases' then 'alias' else rtrim(stream, 's') end as kind,
        case when deleted then was[4] else now[8] end as id,
        case when deleted then was[5] else now[9] end as space,
        case when not deleted then now[1]::bigint end as published,
        was[1]::bigint as published_before,
        coalesce(now[2]::bigint, 0) - coalesce(was[2]::bigint, 0) as publications,
        now[3]::bigint - was[3]::bigint as versions,
        now[4] as updated_by, now[5] as updated_by_type, now[6] as published_by, now[7] as published_by_type, now[10] as published_at
    from (
        -- each text is read once
        select
            *,
            json_extract_string(record, ['$.sys.publishedVersion', '$.sys.publishedCounter', '$.sys.version', '$.sys.updatedBy.sys.id', '$.sys.updatedBy.sys.linkType',
                '$.sys.publishedBy.sys.id', '$.sys.publishedBy.sys.linkType', '$.sys.id', '$.sys.space.sys.id', '$.sys.publishedAt']) as now,
            json_extract_string(previous, ['$.sys.publishedVersion', '$.sys.publishedCounter', '$.sys.version', '$.sys.id', '$.sys.space.sys.id']) as was
        from raw where stream in ('entries', 'assets', 'content_types', 'aliases', 'members', 'roles')
    )
),
diffed as (
    select
        record_id,
        list_filter(list_transform(
            list_sort(list_distinct(list_concat(
                list_transform(list_filter(list_concat(json_keys(record), json_keys(previous)), lambda k: k not in ('sys', 'metadata', 'fields')), lambda k: '/' || replace(replace(k, '~', '~0'), '/', '~1')),
                list_transform(list_filter(list_concat(coalesce(json_keys(record, '$.fields'), []), coalesce(json_keys(previous, '$.fields'), [])), lambda k: k is not null), lambda k: '/fields/' || replace(replace(k, '~', '~0'), '/', '~1'))
            ))),
            lambda p: {
                'field': regexp_replace(p, '^/(fields/)?', ''),
                'old': left(json_extract_string(previous, p), 2000),
                'new': left(json_extract_string(record, p), 2000)
            }
        ), lambda d: d.old is distinct from d.new) as diffs
    from raw
    where stream in ('entries', 'assets', 'content_types', 'aliases', 'members', 'roles') and not deleted and previous is not null
),
happened as (
    select
        o.*, d.diffs,
        case
            when o.stream not in ('entries', 'assets', 'content_types') then case when o.deleted then 'delete' when o.previous is null then 'create' else 'update' end
            when o.deleted then 'delete'
            when o.publications > 0 and o.published is not null then 'publish'
            when o.published_before is not null and o.published is null then 'unpublish'
            else 'save'
        end as what
    from object o
    left join diffed d using (record_id)
),
acted as (
    select
        h.*,
        case
            when h.what = 'publish' then h.published_by
            -- of several saves between two polls the last is known, which need not be the one that took it back
            when h.deleted or (h.what = 'unpublish' and h.versions <> 1) then null
            else h.updated_by
        end as actor,
        case when h.what = 'publish' then h.published_by_type else h.updated_by_type end as actor_link
    from happened h
)
select
    a.record_id,
    case when a.what = 'publish' then coalesce(make_utc(a.published_at), a.occurred_at) else a.occurred_at end as occurred_at,
    case
        when a.first then 'evidence'
        when a.what = 'save' or (a.what = 'delete' and a.stream in ('entries', 'assets', 'content_types') and a.published_before is null) then 'non-change'
        else 'change'
    end as category,
    case when a.actor is null then 'unknown' when a.actor_link = 'AppDefinition' then 'application' else 'person' end as actor_type,
    case when a.actor is not null then coalesce(p.name, case when a.actor_link = 'AppDefinition' then 'app ' else 'user ' end || a.actor) end as actor_name,
    case when a.stream in ('entries', 'assets') then 'content-editor' when a.actor is null then 'unknown' else 'console' end as channel,
    a.kind || '.' || a.what as action,
    case
        when a.stream in ('members', 'roles') then 'permission'
        when a.stream = 'aliases' and a.what = 'update' then 'deploy'
        when a.what = 'save' then 'update'
        else a.what
    end as operation,
    'contentful:' || a.kind || '/' || a.id as resource,
    a.kind || '/' || a.id as object,
    a.space as account,
    coalesce(a.published, a.published_before)::varchar as version,
    to_json(list_concat(
        case when a.published is distinct from a.published_before then [{'field': 'published version', 'old': a.published_before::varchar, 'new': a.published::varchar}] end,
        -- publications between two polls that nobody has seen
        case when a.publications > 1 and a.previous is not null then [{'field': 'publications', 'old': null::varchar, 'new': a.publications::varchar}] end,
        a.diffs
    ))::varchar as diffs
from acted a
left join person p on p.id = a.actor
union all by name
select
    record_id, occurred_at,
    case when stream = 'users' then 'non-change' else 'evidence' end as category,
    case when stream = 'users' then 'unknown' else 'person' end as actor_type,
    coalesce(p.name, 'user ' || by_whom) as actor_name,
    'content-editor' as channel,
    case stream when 'steps' then 'workflow.' || coalesce(record->>'$.event', 'step') when 'scheduled' then 'schedule.' || coalesce(record->>'$.sys.status', 'delete') when 'releases' then 'release.save' when 'release_actions' then 'release.' || coalesce(record->>'$.action', 'action') else 'user.seen' end as action,
    'other' as operation,
    case
        when stream = 'steps' then 'contentful:entry/' || (record->>'$.entity.sys.id')
        when stream = 'scheduled' then 'contentful:' || lower(record->>'$.entity.sys.linkType') || '/' || (record->>'$.entity.sys.id')
        when stream = 'release_actions' then 'contentful:release/' || (record->>'$.sys.release.sys.id')
        else 'contentful:' || rtrim(stream, 's') || '/' || coalesce(record->>'$.sys.id', record->>'$.object')
    end as resource
from (
    select *, coalesce(record->>'$.eventBy.sys.id', record->>'$.sys.canceledBy.sys.id', case when stream = 'releases' then record->>'$.sys.updatedBy.sys.id' end, record->>'$.sys.createdBy.sys.id') as by_whom
    from raw
    where stream in ('users', 'steps', 'scheduled', 'releases', 'release_actions')
) o
left join person p on p.id = o.by_whom and o.stream <> 'users';

-- emits: deployment
-- A publication in which somebody but the publisher had a part: who wrote that very version; who, when it was written,
-- moved its workflow to a step that says that approval was given (and it was not taken back since), or put it into the
-- release that published it.
with
person as (
    select record->>'$.sys.id' as id, coalesce(nullif(record->>'$.email', ''), concat_ws(' ', record->>'$.firstName', record->>'$.lastName')) as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.sys.id') order by occurred_at desc nulls last, record_id desc) = 1
),
published as (
    select
        source, record_id, case stream when 'entries' then 'entry' else 'asset' end as kind,
        now[1] as id, now[2] as version, make_utc(now[3]) as published_at, now[4] as publisher,
        -- who saved it, and when: known where it was seen before it was published
        case when was[1] = now[2] then was[4] end as editor,
        case when was[1] = now[2] then make_utc(was[3]) end as saved_at
    from (
        select
            source, record_id, stream,
            json_extract_string(record, ['$.sys.id', '$.sys.publishedVersion', '$.sys.publishedAt', '$.sys.publishedBy.sys.id', '$.sys.publishedCounter']) as now,
            json_extract_string(previous, ['$.sys.version', '$.sys.publishedCounter', '$.sys.updatedAt', '$.sys.updatedBy.sys.id']) as was
        from raw
        where stream in ('entries', 'assets') and not deleted and not first
    )
    where coalesce(now[5]::bigint, 0) > coalesce(was[2]::bigint, 0) and now[2] is not null
),
-- Each step that a workflow was moved to. What is told again of the step that it is on (a note, the end of the workflow) moves
-- nothing: whoever did that decided nothing.
moved as (
    select m.*, k.means
    from (
        select
            record->>'$.entity.sys.id' as entity, make_utc(record->>'$.eventAt') as moved_at, record->>'$.stepName' as step,
            record->>'$.eventBy.sys.id' as mover, record->>'$.eventBy.sys.linkType' as mover_type
        from raw
        where stream = 'steps'
        qualify (record->>'$.stepId') is distinct from lag(record->>'$.stepId') over (
            partition by (record->>'$.entity.sys.id'), (record->>'$.workflow.sys.id') order by make_utc(record->>'$.eventAt'), record_id
        )
    ) m
    left join workflow_step k on k.step = lower(trim(m.step))
),
-- an approval holds until the entry comes to a step that the table does not know: that may take it back
step as (
    select distinct entity, moved_at as decided_at, mover as approver, step, taken_back_at
    from (
        select *, min(moved_at) filter (where means is null) over (
            partition by entity order by moved_at range between current row and unbounded following
        ) as taken_back_at
        from moved
    )
    where means = 'approval' and mover_type = 'User'
),
scheduled as (
    select distinct p.record_id
    from published p
    join raw s on s.stream = 'scheduled' and (s.record->>'$.entity.sys.id') = p.id and (s.record->>'$.action') = 'publish' and (s.record->>'$.sys.status') = 'succeeded'
     and make_utc(s.record->>'$.scheduledFor.datetime') between p.published_at - interval 5 minutes and p.published_at + interval 5 minutes
),
-- what a release published, and who put each thing into it: whoever saved the release when it was new there
release_item as (
    select release, put_at, put_by, unnest(list_filter(items, lambda i: not list_contains(items_before, i))) as id
    from (
        select
            record->>'$.sys.id' as release, make_utc(record->>'$.sys.updatedAt') as put_at,
            case when (record->>'$.sys.updatedBy.sys.linkType') = 'User' then record->>'$.sys.updatedBy.sys.id' end as put_by,
            json_extract_string(record, '$.entities.items[*].sys.id') as items,
            coalesce(json_extract_string(previous, '$.entities.items[*].sys.id'), []) as items_before
        from raw
        where stream = 'releases' and not deleted
    )
),
release_published as (
    select a[1] as release, make_utc(a[2]) - interval 1 minute as from_time, make_utc(a[3]) + interval 1 minute as to_time
    from (select json_extract_string(record, ['$.sys.release.sys.id', '$.sys.createdAt', '$.sys.updatedAt', '$.action', '$.sys.status']) as a from raw where stream = 'release_actions')
    where a[4] = 'publish' and a[5] = 'succeeded'
),
bundled as (
    select p.*, i.release, i.put_at, i.put_by
    from published p
    join release_item i on i.id = p.id
    join release_published a on a.release = i.release and p.published_at between a.from_time and a.to_time
    qualify row_number() over (partition by p.record_id order by i.put_at <= p.published_at desc, i.put_at desc, i.release) = 1
),
-- what was said before these words were written is not said of them
said as (
    select p.record_id, p.publisher, s.approver, s.decided_at, s.step as comment
    from published p
    join step s on p.kind = 'entry' and s.entity = p.id and s.decided_at between p.saved_at and p.published_at
     and coalesce(s.taken_back_at > p.published_at, true)
    union all
    select record_id, publisher, put_by, put_at, 'put into the release'
    from bundled
    where put_by is not null and put_at between saved_at and published_at
),
approved as (
    select
        s.record_id,
        list({'phase': 'pre', 'decision': 'approved', 'approver': coalesce(n.name, 'user ' || s.approver), 'decided_at': s.decided_at, 'automated': false, 'gated': false, 'comment': s.comment} order by s.decided_at, s.approver) as approvals,
        bool_or(s.approver <> s.publisher) as by_another
    from said s
    left join person n on n.id = s.approver
    group by s.record_id
)
select
    p.record_id,
    p.source || ':' || p.kind || '/' || p.id || '@' || p.version as deployment_id,
    p.source || ':' || coalesce('release/' || b.release, p.kind || '/' || p.id || '@' || p.version) as release_id,
    'contentful' as pipeline,
    p.version,
    'publish' as stage,
    case when s.record_id is not null then 'scheduled' else 'manual' end as trigger,
    coalesce(editor.name, 'user ' || p.editor) as requested_by,
    case when p.editor is not null then [coalesce(editor.name, 'user ' || p.editor)] end as authors,
    p.published_at as started_at,
    p.published_at as finished_at,
    'succeeded' as outcome,
    list_concat(a.approvals, [{
        'phase': 'pre', 'decision': 'approved', 'approver': coalesce(publisher.name, 'user ' || p.publisher), 'decided_at': p.published_at,
        'automated': false, 'gated': true, 'comment': 'published'
    }]) as approvals,
    ['contentful:' || p.kind || '/' || p.id || '@' || p.version] as items
from published p
left join approved a using (record_id)
left join scheduled s using (record_id)
left join bundled b using (record_id)
left join person editor on editor.id = p.editor
left join person publisher on publisher.id = p.publisher
where p.editor <> p.publisher or a.by_another;
