-- What Sanity's transactions mean. Drafts are documents of their own (`drafts.ID`, `versions.RELEASE.ID`); whatever
-- touches a document without such a prefix is live at once.

-- emits: change
with
r as (
    select
        record_id, coalesce(make_utc(record->>'$.timestamp'), occurred_at) as occurred_at,
        nullif(record->>'$.author', '') as author,
        coalesce(from_json(record->'$.documentIDs', '["VARCHAR"]'), []) as documents,
        coalesce(json_extract_string(record, '$.mutations[*].delete.id'), []) as deleted,
        list_concat(
            coalesce(json_extract_string(record, '$.mutations[*].create._id'), []),
            coalesce(json_extract_string(record, '$.mutations[*].createOrReplace._id'), []),
            coalesce(json_extract_string(record, '$.mutations[*].createIfNotExists._id'), [])
        ) as created,
        list_concat(
            coalesce(json_extract_string(record, '$.mutations[*].create._type'), []),
            coalesce(json_extract_string(record, '$.mutations[*].createOrReplace._type'), []),
            coalesce(json_extract_string(record, '$.mutations[*].createIfNotExists._type'), [])
        ) as types,
        record->'$.mutations' as mutations
    from raw
),
live as (
    select
        *,
        list_filter(documents, lambda d: not regexp_matches(d, '^(drafts|versions)\.')) as ids,
        list_filter(deleted, lambda d: not regexp_matches(d, '^(drafts|versions)\.')) as gone,
        list_filter(deleted, lambda d: regexp_matches(d, '^(drafts|versions)\.')) as drafts_gone,
        list_filter(created, lambda d: regexp_matches(d, '^drafts\.')) as drafts_made
    from r
),
happened as (
    select
        *,
        case
            when len(ids) = 0 then 'save'
            when len(gone) > 0 and len(drafts_made) > 0 then 'unpublish'
            when len(gone) > 0 then 'delete'
            when len(drafts_gone) > 0 then 'publish'
            else 'update'
        end as what,
        coalesce(gone[1], ids[1], documents[1]) as id
    from live
)
select
    record_id, occurred_at,
    case when what = 'save' then 'non-change' else 'change' end as category,
    case when author is null or author = '<system>' then 'unknown' else 'person' end as actor_type,
    nullif(author, '<system>') as actor_name,
    'content-editor' as channel,
    'document.' || what as action,
    case when what = 'save' then 'update' else what end as operation,
    'sanity:document/' || regexp_replace(coalesce(id, '-'), '^(drafts\.|versions\.[^.]*\.)', '') as resource,
    'document/' || regexp_replace(coalesce(id, '-'), '^(drafts\.|versions\.[^.]*\.)', '') as object,
    -- a document's _rev is the transaction that made it
    record_id as version,
    to_json(list_concat(
        case when len(types) > 0 then [{'field': '_type', 'old': null::varchar, 'new': types[1]}] end,
        case when len(ids) > 1 then [{'field': 'documents', 'old': null::varchar, 'new': array_to_string(ids, ', ')}] end,
        [{'field': 'mutations', 'old': null::varchar, 'new': left(mutations::varchar, 2000)}]
    ))::varchar as diffs
from happened;

-- emits: deployment
-- A draft that one person saved last and another published.
with
log as (
    select
        record_id, coalesce(make_utc(record->>'$.timestamp'), occurred_at) as occurred_at, nullif(record->>'$.author', '') as author,
        unnest(from_json(record->'$.documentIDs', '["VARCHAR"]')) as document,
        coalesce(json_extract_string(record, '$.mutations[*].delete.id'), []) as deleted
    from raw
),
published as (
    select * from log where not regexp_matches(document, '^(drafts|versions)\.') and list_contains(deleted, 'drafts.' || document)
),
written as (
    select p.*, w.author as writer
    from published p
    asof join (from log where document like 'drafts.%' and not list_contains(deleted, document)) w
      on w.document = 'drafts.' || p.document and w.occurred_at < p.occurred_at
)
select
    record_id,
    'sanity:document/' || document || '@' || record_id as deployment_id,
    'sanity:' || record_id as release_id,
    'sanity' as pipeline, record_id as version, 'publish' as stage, 'manual' as trigger,
    writer as requested_by, [writer] as authors, occurred_at as started_at, occurred_at as finished_at, 'succeeded' as outcome,
    [{'phase': 'pre', 'decision': 'approved', 'approver': author, 'decided_at': occurred_at, 'automated': false, 'gated': true, 'comment': null::varchar}] as approvals,
    ['sanity:document/' || document || '@' || record_id] as items
from written
where writer <> author;
