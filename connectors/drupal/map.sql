-- What Drupal's entities mean. The default revision is what is live; JSON:API gives it with who made it and when.

-- emits: change
with
person as (
    select record->>'$.id' as id, coalesce(nullif(record->>'$.attributes.mail', ''), nullif(record->>'$.attributes.name', ''), record->>'$.attributes.display_name') as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by occurred_at desc nulls last, record_id desc) = 1
),
entity as (
    select
        record_id, occurred_at as seen_at, stream, item, first, deleted, previous,
        now[1] as type,
        coalesce(now[2], now[3], now[4], now[5], now[6], now[7]) as id,
        coalesce(now[8], now[9]) as version,
        coalesce(was[1], was[2]) as version_before,
        coalesce(now[10], now[11]) as revision_user,
        coalesce(now[12], now[13]) as revision_time,
        now[14] as changed, was[3] as changed_before,
        coalesce(now[15], now[16], now[17]) as title,
        -- content that cannot be unpublished is live
        coalesce(now[18], 'true') = 'true' and not deleted as live_now,
        previous is not null and coalesce(was[4], 'true') = 'true' as live_before
    from (
        -- each text is read once
        select
            *,
            json_extract_string(case when deleted then previous else record end, [
                '$.type', '$.attributes.drupal_internal__nid', '$.attributes.drupal_internal__mid', '$.attributes.drupal_internal__tid', '$.attributes.drupal_internal__uid', '$.attributes.drupal_internal__id', '$.id',
                '$.attributes.drupal_internal__vid', '$.attributes.drupal_internal__revision_id',
                '$.relationships.revision_uid.data.id', '$.relationships.revision_user.data.id',
                '$.attributes.revision_timestamp', '$.attributes.revision_created', '$.attributes.changed',
                '$.attributes.title', '$.attributes.name', '$.attributes.label', '$.attributes.status'
            ]) as now,
            json_extract_string(previous, ['$.attributes.drupal_internal__vid', '$.attributes.drupal_internal__revision_id', '$.attributes.changed', '$.attributes.status']) as was
        from raw where stream in ('nodes', 'other', 'users', 'roles', 'workflows')
    )
),
said as (
    select
        record_id,
        try_cast(json_extract(record, '$.attributes') as map(varchar, json)) as attributes, try_cast(json_extract(previous, '$.attributes') as map(varchar, json)) as attributes_before,
        try_cast(json_extract(record, '$.relationships') as map(varchar, json)) as relations, try_cast(json_extract(previous, '$.relationships') as map(varchar, json)) as relations_before
    from raw
    where stream in ('nodes', 'other', 'users', 'roles', 'workflows') and not deleted and previous is not null
),
diffed as (
    select
        record_id,
        list_filter(list_concat(
            list_transform(list_sort(list_distinct(list_concat(map_keys(attributes), map_keys(attributes_before)))), lambda k: {
                'field': k,
                'old': left(coalesce(json_extract_string(attributes_before[k], '$.value'), json_extract_string(attributes_before[k], '$')), 2000),
                'new': left(coalesce(json_extract_string(attributes[k], '$.value'), json_extract_string(attributes[k], '$')), 2000)
            }),
            list_transform(list_sort(list_distinct(list_concat(map_keys(relations), map_keys(relations_before)))), lambda k: {
                'field': k,
                'old': left(json_extract_string(relations_before[k], '$.data'), 2000),
                'new': left(json_extract_string(relations[k], '$.data'), 2000)
            })
        ), lambda d: d.old is distinct from d.new and not regexp_matches(d.field, '^(changed|access|login|drupal_internal__(vid|revision_id)|revision_.*)$')) as diffs
    from said
),
told as (
    select
        e.*, d.diffs,
        split_part(e.type, '--', 1) as kind,
        -- a save without a new revision keeps the name of whoever made that revision
        not e.deleted and e.version is distinct from e.version_before as by_revision
    from entity e
    left join diffed d using (record_id)
),
changed as (
    select
        t.*, t.kind in ('user', 'user_role', 'workflow') as configuration,
        case when t.by_revision and t.kind not in ('user', 'user_role', 'workflow') then t.revision_user end as actor,
        case
            when t.deleted then t.seen_at
            when t.by_revision then coalesce(make_utc(t.revision_time), make_utc(t.changed), t.seen_at)
            -- a time that has not moved tells nothing of this save
            else coalesce(case when t.changed is distinct from t.changed_before then make_utc(t.changed) end, t.seen_at)
        end as occurred_at
    from told t
)
select
    c.record_id, c.occurred_at,
    case
        when c.first then 'evidence'
        when c.kind = 'user' then case when c.deleted or c.previous is null or len(list_filter(c.diffs, lambda d: d.field in ('roles', 'status', 'mail', 'name'))) > 0 then 'change' else 'non-change' end
        when c.configuration or c.live_now or c.live_before then 'change'
        else 'non-change'
    end as category,
    case when c.actor is null then 'unknown' else 'person' end as actor_type,
    case when c.actor is not null then coalesce(p.name, 'user ' || c.actor) end as actor_name,
    case when c.configuration then 'unknown' else 'content-editor' end as channel,
    c.kind || case
        when c.deleted then '.delete'
        when c.configuration then case when c.previous is null then '.create' else '.update' end
        when c.live_now and not c.live_before then '.publish'
        when c.live_now then '.update'
        when c.live_before then '.unpublish'
        else '.save'
    end as action,
    case
        when c.kind in ('user', 'user_role') then 'permission'
        when c.deleted then 'delete'
        when c.configuration then case when c.previous is null then 'create' else 'update' end
        when c.live_now and not c.live_before then 'publish'
        when c.live_before and not c.live_now then 'unpublish'
        else 'update'
    end as operation,
    'drupal:' || c.kind || '/' || c.id as resource,
    c.kind || '/' || c.id as object,
    c.version,
    case
        when c.deleted then to_json([{'field': 'title', 'old': c.title, 'new': null::varchar}])
        when c.previous is null then to_json([{'field': 'title', 'old': null::varchar, 'new': left(c.title, 2000)}])
        else to_json(c.diffs)
    end::varchar as diffs
from changed c
left join person p on p.id = c.actor
union all by name
select
    record_id,
    coalesce(make_utc(record->>'$.attributes.revision_timestamp'), occurred_at) as occurred_at,
    'evidence' as category, 'unknown' as actor_type, 'content-editor' as channel,
    'node.' || case when deleted then 'delete' else coalesce(record->>'$.attributes.moderation_state', 'save') end as action,
    'other' as operation,
    'drupal:node/' || ((case when deleted then previous else record end)->>'$.attributes.drupal_internal__nid') as resource,
    (case when deleted then previous else record end)->>'$.attributes.drupal_internal__vid' as version
from raw
where stream = 'latest';

-- emits: deployment
-- Somebody's draft that another published, unaltered: who wrote it asked for it, who published it approved it.
with
person as (
    select record->>'$.id' as id, coalesce(nullif(record->>'$.attributes.mail', ''), nullif(record->>'$.attributes.name', ''), record->>'$.attributes.display_name') as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by occurred_at desc nulls last, record_id desc) = 1
),
-- Where a revision says something, but for what a step of the workflow alters. What it refers to is said too: the text of
-- many pages stands in paragraphs, each named with its revision. That is a new one with each save of the page, so who
-- publishes a page with paragraphs may have altered them.
revision as (
    select
        source, record_id, record, previous,
        list_concat(
            list_transform(
                list_filter(json_keys(record, '$.attributes'), lambda k: k not in ('changed', 'status', 'moderation_state', 'drupal_internal__vid') and k not like 'revision_%'),
                lambda k: '/attributes/' || replace(replace(k, '~', '~0'), '/', '~1')
            ),
            list_transform(
                list_filter(json_keys(record, '$.relationships'), lambda k: k <> 'revision_uid'),
                lambda k: '/relationships/' || replace(replace(k, '~', '~0'), '/', '~1') || '/data'
            )
        ) as places
    from raw
    where stream = 'latest' and not deleted and not first and previous is not null
      and (record->>'$.attributes.status') = 'true' and (previous->>'$.attributes.status') = 'false'
)
select
    r.record_id,
    r.source || ':node/' || (r.record->>'$.attributes.drupal_internal__nid') || '@' || (r.record->>'$.attributes.drupal_internal__vid') as deployment_id,
    r.source || ':node/' || (r.record->>'$.attributes.drupal_internal__nid') || '@' || (r.record->>'$.attributes.drupal_internal__vid') as release_id,
    'drupal' as pipeline,
    r.record->>'$.attributes.drupal_internal__vid' as version,
    'publish' as stage,
    'manual' as trigger,
    coalesce(writer.name, 'user ' || (r.previous->>'$.relationships.revision_uid.data.id')) as requested_by,
    [coalesce(writer.name, 'user ' || (r.previous->>'$.relationships.revision_uid.data.id'))] as authors,
    make_utc(r.record->>'$.attributes.revision_timestamp') as started_at,
    make_utc(r.record->>'$.attributes.revision_timestamp') as finished_at,
    'succeeded' as outcome,
    [{
        'phase': 'pre', 'decision': 'approved', 'approver': coalesce(publisher.name, 'user ' || (r.record->>'$.relationships.revision_uid.data.id')),
        'decided_at': make_utc(r.record->>'$.attributes.revision_timestamp'), 'automated': false, 'gated': true,
        'comment': concat_ws(': ', (r.previous->>'$.attributes.moderation_state') || ' to ' || (r.record->>'$.attributes.moderation_state'), nullif(r.record->>'$.attributes.revision_log', ''))
    }] as approvals,
    ['drupal:node/' || (r.record->>'$.attributes.drupal_internal__nid') || '@' || (r.record->>'$.attributes.drupal_internal__vid')] as items
from revision r
left join person writer on writer.id = (r.previous->>'$.relationships.revision_uid.data.id')
left join person publisher on publisher.id = (r.record->>'$.relationships.revision_uid.data.id')
where (r.previous->>'$.relationships.revision_uid.data.id') <> (r.record->>'$.relationships.revision_uid.data.id')
  and len(list_filter(r.places, lambda p: json_extract_string(r.record, p) is distinct from json_extract_string(r.previous, p))) = 0;
