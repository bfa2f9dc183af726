-- What Sanity's transactions mean. Drafts are documents of their own (`drafts.ID`, `versions.RELEASE.ID`), and so are
-- releases (`_.releases.ID`); whatever touches another document is live at once.

-- emits: change
-- One transaction may touch several documents: each that is live is a change of its own.
with
r as (
    select
        record_id, coalesce(make_utc(record->>'$.timestamp'), occurred_at) as occurred_at,
        nullif(record->>'$.author', '') as author,
        coalesce(from_json(record->'$.documentIDs', '["VARCHAR"]'), []) as documents,
        list_transform(coalesce(from_json(record->'$.mutations', '["JSON"]'), []), lambda m: {
            'id': coalesce(m->>'$.create._id', m->>'$.createOrReplace._id', m->>'$.createIfNotExists._id', m->>'$.patch.id', m->>'$.delete.id'),
            'type': coalesce(m->>'$.create._type', m->>'$.createOrReplace._type', m->>'$.createIfNotExists._type'),
            'deletes': (m->'$.delete') is not null,
            'said': m
        }) as mutations
    from raw
),
lived as (
    select *, list_filter(documents, lambda d: not regexp_matches(d, '^(drafts|versions|_\.releases)\.')) as live
    from r
),
-- a transaction that touches nothing live is one all the same
touched as (
    select *, regexp_replace(unnest(case when len(live) > 0 then live when len(documents) > 0 then documents[1:1] else ['-'] end), '^(drafts\.|versions\.[^.]*\.)', '') as document
    from lived
),
-- what was done to the document, its drafts included
told as (
    select
        * replace (case
            when len(live) = 0 then mutations
            else list_filter(mutations, lambda m: regexp_replace(m.id, '^(drafts\.|versions\.[^.]*\.)', '') = document)
        end as mutations)
    from touched
),
happened as (
    select
        *,
        case
            when len(live) = 0 then 'save'
            when len(list_filter(mutations, lambda m: m.deletes and m.id = document)) > 0
                then case when len(list_filter(mutations, lambda m: m.type is not null and m.id = 'drafts.' || document)) > 0 then 'unpublish' else 'delete' end
            when len(list_filter(mutations, lambda m: m.deletes)) > 0 then 'publish'
            else 'update'
        end as what
    from told
)
select
    record_id, occurred_at,
    case when what <> 'save' then 'change' when starts_with(document, '_.releases.') then 'release-control' else 'non-change' end as category,
    case when author is null or author = '<system>' then 'unknown' else 'person' end as actor_type,
    nullif(author, '<system>') as actor_name,
    'content-editor' as channel,
    'document.' || what as action,
    case when what = 'save' then 'update' else what end as operation,
    'sanity:document/' || document as resource,
    'document/' || document as object,
    -- a document's _rev is the transaction that made it
    record_id as version,
    to_json(list_concat(
        list_transform(list_filter(mutations, lambda m: m.type is not null)[1:1], lambda m: {'field': '_type', 'old': null::varchar, 'new': m.type}),
        case when len(live) > 1 then [{'field': 'documents', 'old': null::varchar, 'new': array_to_string(live, ', ')}] end,
        [{'field': 'mutations', 'old': null::varchar, 'new': left(to_json(list_transform(mutations, lambda m: m.said))::varchar, 2000)}]
    ))::varchar as diffs
from happened;

-- emits: deployment
-- A draft, or a version in a release, that one person saved last and another published as it was.
with
log as (
    select
        source, record_id, coalesce(make_utc(record->>'$.timestamp'), occurred_at) as occurred_at, nullif(record->>'$.author', '') as author,
        unnest(from_json(record->'$.documentIDs', '["VARCHAR"]')) as document,
        coalesce(json_extract_string(record, '$.mutations[*].delete.id'), []) as deleted,
        from_json(record->'$.mutations', '["JSON"]') as mutations
    from raw
),
-- each time that a draft went, and when it had gone before
gone as (
    select
        * replace (regexp_replace(document, '^(drafts\.|versions\.[^.]*\.)', '') as document), document as draft,
        lag(occurred_at, 1, timestamp '1970-01-01') over (partition by document order by occurred_at, record_id) as gone_before
    from log
    where regexp_matches(document, '^(drafts|versions)\.') and list_contains(deleted, document)
),
-- of two drafts that go at once nobody can say which went live
published as (
    select g.*
    from gone g
    semi join log l on l.record_id = g.record_id and l.document = g.document and not list_contains(l.deleted, l.document)
    qualify count(*) over (partition by g.record_id, g.document) = 1
),
written as (
    select p.*, w.author as writer
    from published p
    asof join (from log where regexp_matches(document, '^(drafts|versions)\.') and not list_contains(deleted, document)) w
      on w.document = p.draft and w.occurred_at < p.occurred_at
    where w.author <> p.author
),
-- what was put into the draft since it was there, and which fields that speaks of
saved as (
    select record_id, document, saved_at, n, body, unnest(case
        when whole then json_keys(body)
        else list_transform(
            list_concat(
                flatten(json_keys(body, ['$.set', '$.setIfMissing', '$.inc', '$.dec', '$.diffMatchPatch'])),
                coalesce(from_json(body->'$.unset', '["VARCHAR"]'), []),
                json_extract_string(body, ['$.insert.before', '$.insert.after', '$.insert.replace'])
            ),
            lambda path: regexp_extract(path, '^[^.\[]+')
        )
    end) as field, whole
    from (
        select record_id, document, draft, saved_at, n, coalesce(m->'$.create', m->'$.createOrReplace', m->'$.patch') as body, (m->'$.patch') is null as whole
        from (
            select w.record_id, w.document, w.draft, l.occurred_at as saved_at, unnest(l.mutations) as m, generate_subscripts(l.mutations, 1) as n
            from written w
            join log l on l.document = w.draft and l.occurred_at > w.gone_before and l.occurred_at < w.occurred_at
        )
    )
    where coalesce(body->>'$._id', body->>'$.id') = draft
),
-- what a field held at last, where that was put whole: one that is typed into is altered in parts
held as (
    select record_id, document, field, arg_max({'value': json_extract(body, if(whole, '/', '/set/') || replace(replace(field, '~', '~0'), '/', '~1'))}, (saved_at, n)).value as value
    from saved
    where not starts_with(field, '_')
    group by all
),
-- the words that a publication gives itself: the Studio of old sends the draft's; what publishes inside of Sanity gives none
given as (
    select record_id, document, coalesce(m->'$.create', m->'$.createOrReplace') as body, m->'$.patch.set' as fields
    from (select record_id, document, unnest(mutations) as m from written)
    where coalesce(m->>'$.create._id', m->>'$.createOrReplace._id', m->>'$.patch.id') = document
),
altered as (
    select record_id, document
    from given
    join (select *, '/' || replace(replace(field, '~', '~0'), '/', '~1') as pointer from held where json_type(value) not in ('OBJECT', 'ARRAY')) h using (record_id, document)
    where json_extract(fields, pointer) <> h.value
       or (json_extract(body, pointer) is distinct from h.value and len(list_filter(json_keys(body), lambda k: not starts_with(k, '_'))) > 0)
)
select
    record_id,
    source || ':document/' || document || '@' || record_id as deployment_id,
    source || ':' || record_id as release_id,
    'sanity' as pipeline, record_id as version, 'publish' as stage, 'manual' as trigger,
    writer as requested_by, [writer] as authors, occurred_at as started_at, occurred_at as finished_at, 'succeeded' as outcome,
    [{'phase': 'pre', 'decision': 'approved', 'approver': author, 'decided_at': occurred_at, 'automated': false, 'gated': true, 'comment': null::varchar}] as approvals,
    ['sanity:document/' || document || '@' || record_id] as items
from written
anti join altered using (record_id, document);
