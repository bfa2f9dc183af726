-- What pages of GOV.UK mean. Nothing says who published: the actor stays empty, a content release may still name the page.

-- emits: change
with
page as (
    select
        record_id, stream, first, deleted, record, previous,
        coalesce(make_utc(record->>'$.updated_at'), occurred_at) as occurred_at,
        (case when deleted then previous else record end)->>'$.base_path' as path,
        -- an empty notice is none
        coalesce(record->>'$.withdrawn_notice.withdrawn_at', record->>'$.withdrawn_notice.explanation') is not null as withdrawn,
        coalesce(previous->>'$.withdrawn_notice.withdrawn_at', previous->>'$.withdrawn_notice.explanation') is not null as withdrawn_before,
        (record->>'$.public_updated_at') is distinct from (previous->>'$.public_updated_at') as major
    from raw
    where stream in ('pages', 'named')
),
diffed as (
    -- the parts of a page are in its details
    select
        record_id,
        list_filter(list_transform(
            list_sort(list_distinct(list_concat(keys_of_page, keys_of_details))),
            lambda k: {
                'field': k,
                'old': left(json_extract_string(previous, '/' || replace(k, '.', '/')), 2000),
                'new': left(json_extract_string(record, '/' || replace(k, '.', '/')), 2000)
            }
        ), lambda d: d.old is distinct from d.new) as diffs
    from (
        select
            record_id, record, previous,
            list_filter(list_concat(json_keys(record), json_keys(previous)), lambda k: k not in
                ('details', 'links', 'updated_at', 'publishing_request_id', 'publishing_scheduled_at', 'scheduled_publishing_delay_seconds', 'analytics_identifier')) as keys_of_page,
            list_transform(list_filter(
                list_concat(coalesce(json_keys(record, '$.details'), []), coalesce(json_keys(previous, '$.details'), [])),
                lambda k: k <> 'change_history'), lambda k: 'details.' || k) as keys_of_details
        from raw
        where stream in ('pages', 'named') and not deleted and previous is not null
    )
),
edited as (
    select
        p.record_id, p.occurred_at,
        case when p.first then 'evidence' else 'change' end as category,
        case
            when p.deleted then 'page.unpublish'
            when p.previous is null then 'page.publish'
            when p.withdrawn and not p.withdrawn_before then 'page.withdraw'
            when p.withdrawn_before and not p.withdrawn then 'page.unwithdraw'
            when p.major then 'page.update'
            else 'page.minor-update'
        end as action,
        case
            when p.deleted or (p.withdrawn and not p.withdrawn_before) then 'unpublish'
            when p.previous is null or (p.withdrawn_before and not p.withdrawn) then 'publish'
            else 'update'
        end as operation,
        p.path, coalesce(p.record->>'$.updated_at', p.previous->>'$.updated_at') as version,
        list_filter([(p.record->>'$.publishing_request_id')], lambda x: x is not null) as correlation_ids,
        to_json(list_concat(d.diffs, case when p.deleted or p.previous is null then
            [{'field': 'title', 'old': (p.previous->>'$.title'), 'new': case when not p.deleted then (p.record->>'$.title') end}] end, case when p.major and not p.deleted then
            -- what the editors told the public about it
            [{'field': 'change note', 'old': null::varchar, 'new': left(json_extract_string(p.record, '$.details.change_history[#-1].note'), 2000)}] end)) as diffs
    from page p
    left join diffed d using (record_id)
)
select
    record_id, occurred_at, category, 'unknown' as actor_type, null::varchar as actor_name, 'content-editor' as channel,
    action, operation, 'govuk-content:page' || path as resource, 'page' || path as object, version, correlation_ids, diffs::varchar as diffs
from edited
union all by name
select
    record_id, occurred_at, 'evidence' as category, 'unknown' as actor_type, 'content-editor' as channel,
    case when deleted then 'page.unlist' else 'page.list' end as action, 'other' as operation,
    'govuk-content:page' || ((case when deleted then previous else record end)->>'$.link') as resource,
    'page' || ((case when deleted then previous else record end)->>'$.link') as object
from raw
where stream = 'listed';
