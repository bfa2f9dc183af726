-- What Storyblok's activities and stories mean. A story is live as it was published: a later published_at is a
-- publication, whatever the log calls it; an activity near that time says by whom. A story shows its latest publication
-- only: the others since it was last read are told by their activities alone.

-- emits: change
with
person as (
    select record->>'$.user_id' as id, coalesce(nullif(record->>'$.user.real_email', ''), nullif(record->>'$.user.userid', ''), nullif(record->>'$.user.alt_email', ''), nullif(record->>'$.user.friendly_name', ''), concat_ws(' ', record->>'$.user.firstname', record->>'$.user.lastname')) as name
    from raw
    where stream = 'collaborators' and not deleted and (record->>'$.user_id') is not null
    qualify row_number() over (partition by (record->>'$.user_id') order by occurred_at desc nulls last, record_id desc) = 1
),
activity as (
    select
        a.record_id, a.occurred_at, a.action, a.record, coalesce(k.category, 'change') as class, coalesce(k.operation, 'other') as operation, k.action as classed_by,
        a.record->>'$.activity.owner_id' as owner,
        coalesce(nullif(a.record->>'$.user.email', ''), p.name, nullif(a.record->>'$.user.friendly_name', ''), 'user ' || (a.record->>'$.activity.owner_id')) as name,
        case when (a.record->>'$.activity.trackable_type') = 'Story' then (a.record->>'$.activity.trackable_id') end as story,
        lower(split_part(a.action, '.', 1)) || '/' || coalesce(a.record->>'$.activity.trackable_id', '-') as object
    from (select record_id, coalesce(make_utc(record->>'$.activity.created_at'), occurred_at) as occurred_at, coalesce(record->>'$.activity.key', 'unknown') as action, record from raw where stream = 'activities') a
    left join action_class k on a.action glob k.action
    left join person p on p.id = (a.record->>'$.activity.owner_id')
    qualify row_number() over (partition by a.record_id order by telling(k.action)) = 1
),
story as (
    select
        record_id, occurred_at as seen_at, first, deleted, record, previous, b->>'$.id' as id, b->>'$.full_slug' as slug,
        make_utc(record->>'$.published_at') as published_at, make_utc(previous->>'$.published_at') as published_before,
        coalesce(record->>'$.published', 'false') = 'true' and not deleted as live_now,
        coalesce(previous->>'$.published', 'false') = 'true' as live_before
    from (select *, case when deleted then previous else record end::json as b from raw where stream = 'stories')
),
happened as (
    select
        *,
        case
            when live_now and (not live_before or published_at is distinct from published_before) then 'story.publish'
            when live_before and deleted then 'story.delete'
            when live_before and not live_now then 'story.unpublish'
            else 'story.save'
        end as action
    from story
),
-- the activity that did it: of a publication at its very time, of what has no time of its own within the two days before;
-- what stands in the inventory is no change, so there the activity is
told as (
    select
        h.record_id,
        arg_max(a.name, (a.operation = 'publish', a.occurred_at, a.record_id)) as name,
        arg_max(a.record_id, (a.operation = 'publish', a.occurred_at, a.record_id)) as activity
    from happened h
    join activity a on a.story = h.id and case h.action
        when 'story.publish' then (a.operation = 'publish' or a.action = 'story.update') and a.occurred_at between h.published_at - interval 5 seconds and h.published_at + interval 5 seconds
        when 'story.unpublish' then a.operation = 'unpublish' and a.occurred_at between h.seen_at - interval 2 days and h.seen_at
        when 'story.delete' then a.operation = 'delete' and a.occurred_at between h.seen_at - interval 2 days and h.seen_at
    end
    where not h.first
    group by h.record_id
)
select
    h.record_id,
    case when h.action = 'story.publish' then coalesce(h.published_at, h.seen_at) else h.seen_at end as occurred_at,
    case when h.first then 'evidence' when h.action = 'story.save' then 'non-change' else 'change' end as category,
    case when t.name is null then 'unknown' else 'person' end as actor_type,
    t.name as actor_name,
    'content-editor' as channel,
    h.action,
    case when h.action = 'story.save' then 'update' else split_part(h.action, '.', 2) end as operation,
    'storyblok:story/' || h.id as resource,
    'story/' || h.id as object,
    coalesce(h.record->>'$.published_at', h.previous->>'$.published_at') as version,
    to_json(list_filter(
        list_transform(['name', 'full_slug', 'published', 'published_at', 'unpublished_changes'], lambda k: {'field': k, 'old': json_extract_string(h.previous, '/' || k), 'new': case when not h.deleted then json_extract_string(h.record, '/' || k) end}),
        lambda d: d.old is distinct from d.new))::varchar as diffs,
    null::varchar as classed_by
from happened h
left join told t using (record_id)
union all by name
select
    a.record_id, a.occurred_at,
    -- where the list of stories shows the same, that is the change, and this its evidence
    case when a.record_id in (select t.activity from told t) then 'evidence' else a.class end as category,
    case when a.owner is null then 'unknown' else 'person' end as actor_type,
    case when a.owner is not null then a.name end as actor_name,
    case when a.story is not null or a.object like 'asset%' or a.object like 'datasource%' then 'content-editor' when a.owner is not null then 'console' else 'unknown' end as channel,
    a.action, a.operation, 'storyblok:' || a.object as resource, a.object,
    case when a.story is not null and a.operation = 'publish' then a.record->>'$.activity.created_at' end as version,
    null::varchar as diffs, a.classed_by
from activity a
union all by name
select
    record_id, occurred_at,
    case when first then 'evidence' when deleted or previous is null or (record->>'$.role') is distinct from (previous->>'$.role') or (record->>'$.space_role_ids') is distinct from (previous->>'$.space_role_ids') or (record->>'$.permissions') is distinct from (previous->>'$.permissions') then 'change' else 'non-change' end as category,
    'unknown' as actor_type, null as actor_name, 'unknown' as channel,
    case when deleted then 'collaborator.delete' when previous is null then 'collaborator.create' else 'collaborator.update' end as action,
    'permission' as operation,
    'storyblok:collaborator/' || coalesce(record->>'$.id', previous->>'$.id') as resource,
    'collaborator/' || coalesce(record->>'$.id', previous->>'$.id') as object,
    null as version,
    to_json(list_filter([{'field': 'role', 'old': (previous->>'$.role'), 'new': (record->>'$.role')}, {'field': 'space_role_id', 'old': (previous->>'$.space_role_id'), 'new': (record->>'$.space_role_id')}], lambda d: d.old is distinct from d.new))::varchar as diffs,
    null as classed_by
from raw
where stream = 'collaborators';

-- emits: deployment
-- What one person saved last and another published: one for each publication that the log tells of.
with
person as (
    select record->>'$.user_id' as id, coalesce(nullif(record->>'$.user.real_email', ''), nullif(record->>'$.user.userid', ''), nullif(record->>'$.user.alt_email', ''), nullif(record->>'$.user.friendly_name', ''), concat_ws(' ', record->>'$.user.firstname', record->>'$.user.lastname')) as name
    from raw
    where stream = 'collaborators' and not deleted and (record->>'$.user_id') is not null
    qualify row_number() over (partition by (record->>'$.user_id') order by occurred_at desc nulls last, record_id desc) = 1
),
activity as (
    select
        h.source, h.record_id, coalesce(make_utc(h.record->>'$.activity.created_at'), h.occurred_at) as occurred_at, h.record->>'$.activity.created_at' as created_at,
        h.record->>'$.activity.key' as action, h.record->>'$.activity.trackable_id' as story,
        coalesce(nullif(h.record->>'$.user.email', ''), p.name, nullif(h.record->>'$.user.friendly_name', ''), 'user ' || (h.record->>'$.activity.owner_id')) as name
    from raw h
    left join person p on p.id = (h.record->>'$.activity.owner_id')
    where h.stream = 'activities' and (h.record->>'$.activity.trackable_type') = 'Story'
),
shown as (
    select record_id, first, record->>'$.id' as story, record->>'$.published_at' as version, make_utc(record->>'$.published_at') as published_at
    from raw
    where stream = 'stories' and not deleted and (record->>'$.published') = 'true'
      and ((previous->>'$.published') is distinct from 'true' or (record->>'$.published_at') is distinct from (previous->>'$.published_at'))
),
-- time and version of the change: what the story shows of this publication, else the time of the activity
told as (
    select arg_max(a.record_id, (a.occurred_at, a.record_id)) as record_id, any_value(s.version) as version, any_value(s.published_at) as published_at
    from shown s
    join activity a on a.story = s.story and a.action like 'story.publish%' and a.occurred_at between s.published_at - interval 5 seconds and s.published_at + interval 5 seconds
    where not s.first
    group by s.record_id
),
published as (
    select
        a.source, a.record_id, a.story, a.occurred_at, a.name as publisher, coalesce(t.version, a.created_at) as version, coalesce(t.published_at, a.occurred_at) as published_at,
        greatest(
            lag(a.occurred_at) over (partition by a.story order by a.occurred_at, a.record_id),
            (select max(s.published_at) from shown s where s.story = a.story and s.published_at < a.occurred_at - interval 5 seconds)
        ) as published_before
    from activity a
    left join told t using (record_id)
    where a.action like 'story.publish%'
),
-- What was live before is nobody's part in this publication. The publisher's own save, be it in the same act, is the last:
-- whoever edits while publishing lets out their own words.
written as (
    select
        p.*,
        (
            select arg_max(a.name, (a.occurred_at, a.name = p.publisher, a.record_id))
            from activity a
            where a.story = p.story and a.action in ('story.create', 'story.update') and a.occurred_at > coalesce(p.published_before, '-infinity')
              and a.occurred_at <= p.occurred_at + case when a.name = p.publisher then interval 5 seconds else interval 0 seconds end
        ) as writer
    from published p
)
select
    record_id,
    source || ':story/' || story || '@' || version as deployment_id,
    source || ':story/' || story || '@' || version as release_id,
    'storyblok' as pipeline, version, 'publish' as stage, 'manual' as trigger,
    writer as requested_by, [writer] as authors, published_at as started_at, published_at as finished_at, 'succeeded' as outcome,
    [{'phase': 'pre', 'decision': 'approved', 'approver': publisher, 'decided_at': published_at, 'automated': false, 'gated': true, 'comment': null::varchar}] as approvals,
    ['storyblok:story/' || story || '@' || version] as items
from written
where lower(writer) <> lower(publisher);
