-- What versions of Notify templates mean: live wording of e-mails, text messages and letters. There are no drafts, so
-- every version is live at once.

-- emits: change
with t as (
    select
        record_id, first, deleted, previous is null as is_new, occurred_at,
        from_json(case when deleted then previous else record end, '{"id":"VARCHAR","type":"VARCHAR","name":"VARCHAR","created_at":"VARCHAR","created_by":"VARCHAR","updated_at":"VARCHAR","version":"BIGINT","subject":"VARCHAR","body":"VARCHAR","postage":"VARCHAR","letter_contact_block":"VARCHAR"}') as now,
        from_json(previous, '{"version":"BIGINT","type":"VARCHAR","name":"VARCHAR","subject":"VARCHAR","body":"VARCHAR","postage":"VARCHAR","letter_contact_block":"VARCHAR"}') as old
    from raw
)
select
    record_id,
    case when deleted then occurred_at else coalesce(make_utc(now.updated_at), make_utc(now.created_at)) end as occurred_at,
    case when deleted then 'template.archive' when is_new then 'template.create' else 'template.update' end as action,
    case when first then 'evidence' else 'change' end as category,
    case when deleted then 'delete' when is_new then 'create' else 'update' end as operation,
    -- who archived a template is not told: the editor of its last version is somebody else, perhaps
    case when deleted then 'unknown' when now.created_by is null then 'unknown' else 'person' end as actor_type,
    case when deleted then null else now.created_by end as actor_name,
    'content-editor' as channel,
    'notify:template/' || now.id as resource,
    'template/' || now.id as object,
    now.version::varchar as version,
    case when deleted then null else json(list_filter([
        {field: 'name', old: old.name, new: now.name},
        {field: 'subject', old: old.subject, new: now.subject},
        {field: 'body', old: old.body, new: now.body},
        {field: 'postage', old: old.postage, new: now.postage},
        {field: 'letter_contact_block', old: old.letter_contact_block, new: now.letter_contact_block},
        -- versions that came and went between two collections
        {field: 'versions not seen', old: null, new: case when now.version - old.version > 1 then (now.version - old.version - 1)::varchar end}
    ], lambda d: d.old is distinct from d.new))::varchar end as diffs,
    'template' as classed_by
from t
