-- What WordPress's objects, revisions and events mean. A post that was changed, a revision and an event of Simple
-- History may tell of one and the same act: the event is the change, else the post; the others are its evidence.

-- emits: change
with
person as (
    select record->>'$.id' as id, coalesce(nullif(record->>'$.email', ''), record->>'$.username') as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by occurred_at desc nulls last, record_id desc) = 1
),
-- What anybody may see: not what is in one of WordPress's own hidden states; a state of a plugin counts as public, and so
-- does `future`: who sets the time decides, WordPress then only does it.
content as (
    select
        record_id, occurred_at, first, deleted, record, previous,
        b->>'$.type' as type, b->>'$.id' as id, b->>'$.status' as status,
        json_extract_string(b, '/_links/predecessor-version/0/id') as revision,
        make_utc(b->>'$.date_gmt') as published_at,
        make_utc(previous->>'$.modified_gmt') as modified_before,
        previous is not null and (previous->>'$.status') not in (select status from hidden_status) as live_before,
        not deleted and (record->>'$.status') not in (select status from hidden_status) as live_now
    from (select *, case when deleted then previous else record end::json as b from raw where stream = 'content')
),
revision as (
    select
        record_id, occurred_at, record->>'$.parent' as parent, record->>'$.id' as id, record->>'$.author' as author,
        (record->>'$.slug') like '%-autosave-v1' as autosave, record,
        lag(record) over (partition by (record->>'$.parent'), (record->>'$.slug') like '%-autosave-v1' order by occurred_at, (record->>'$.id')::bigint) as before
    from raw
    where stream = 'revisions'
),
event as (
    select
        e.*, coalesce(k.category, 'change') as class, coalesce(k.operation, 'other') as operation, k.action as classed_by
    from (
        select
            record_id, occurred_at, record, record->'$.context' as context,
            concat_ws(':', record->>'$.logger', coalesce(record->>'$.message_key', record->>'$.context._message_key', 'unknown')) as action,
            coalesce(nullif(record->>'$.initiator_data.user_email', ''), nullif(record->>'$.initiator_data.user_login', ''), nullif(record->>'$.context._user_email', ''), record->>'$.context._user_login') as name,
            record->>'$.initiator' as initiator,
            coalesce(record->>'$.message_key', '') like '%failed%' as failed,
            record->>'$.context.post_id' as post,
            coalesce(record->>'$.context.post_prev_post_status', record->>'$.context.post_prev_status') as status_before,
            coalesce(record->>'$.context.post_new_post_status', record->>'$.context.post_new_status') as status_now
        from raw
        where stream = 'events'
    ) e
    left join action_class k on e.action glob k.action
    qualify row_number() over (partition by e.record_id order by telling(k.action)) = 1
),
-- The last revision at the time of a save is what was saved; two seconds, for a save writes several rows.
told_content as (
    select
        c.*,
        exists (
            from event e
            where e.post = c.id and case
                when c.deleted then e.action in ('SimplePostLogger:post_trashed', 'SimplePostLogger:post_deleted') and e.occurred_at between c.modified_before and c.occurred_at
                else e.occurred_at between c.occurred_at - interval 5 seconds and c.occurred_at + interval 5 seconds
            end
        ) as told,
        (select arg_max(r.author, r.occurred_at) from revision r where r.parent = c.id and not r.autosave and r.occurred_at between c.occurred_at - interval 2 seconds and c.occurred_at + interval 2 seconds) as editor
    from content c
),
diffed as (
    select
        record_id,
        list_filter(list_transform(
            list_sort(list_distinct(list_concat(json_keys(record), json_keys(previous)))),
            lambda k: {
                'field': k,
                'old': left(coalesce(json_extract_string(previous, '/' || replace(replace(k, '~', '~0'), '/', '~1') || '/raw'), json_extract_string(previous, '/' || replace(replace(k, '~', '~0'), '/', '~1'))), 2000),
                'new': left(coalesce(json_extract_string(record, '/' || replace(replace(k, '~', '~0'), '/', '~1') || '/raw'), json_extract_string(record, '/' || replace(replace(k, '~', '~0'), '/', '~1'))), 2000)
            }
        ), lambda d: d.old is distinct from d.new and d.field not in ('_links', 'modified', 'modified_gmt', 'date', 'guid', 'link', 'permalink_template', 'generated_slug', 'avatar_urls', 'meta', 'capabilities')) as diffs
    from raw
    where stream in ('content', 'plugins', 'themes', 'users', 'settings') and previous is not null and not deleted
),
saved as (
    select
        c.record_id, c.occurred_at,
        case
            when c.first or c.told then 'evidence'
            -- published at the time that was set: nothing else in it has changed
            when (c.previous->>'$.status') = 'future' and c.live_now and c.occurred_at = c.modified_before then 'evidence'
            when c.live_before or c.live_now then 'change'
            else 'non-change'
        end as category,
        case when c.editor is null then 'unknown' else 'person' end as actor_type,
        case when c.editor is not null then coalesce(p.name, 'user ' || c.editor) end as actor_name,
        c.type || case
            when c.live_now and not c.live_before then '.publish'
            when c.live_now then '.update'
            when c.live_before and c.deleted then '.delete'
            when c.live_before and c.status = 'trash' then '.trash'
            when c.live_before then '.unpublish'
            when c.deleted then '.delete'
            else '.save'
        end as action,
        case
            when c.live_now and not c.live_before then 'publish'
            when c.live_now then 'update'
            when c.deleted or c.status = 'trash' then 'delete'
            when c.live_before then 'unpublish'
            else 'update'
        end as operation,
        c.type || '/' || c.id as object,
        coalesce(c.revision, c.record->>'$.modified_gmt') as version,
        case when c.deleted then to_json([{'field': 'title', 'old': coalesce(previous->>'$.title.raw', previous->>'$.title'), 'new': null::varchar}, {'field': 'status', 'old': (previous->>'$.status'), 'new': null}])
            when c.previous is null then to_json([{'field': 'title', 'old': null::varchar, 'new': left(coalesce(record->>'$.title.raw', record->>'$.title'), 2000)}, {'field': 'content', 'old': null, 'new': left(record->>'$.content.raw', 2000)}])
            else to_json(d.diffs) end as diffs
    from told_content c
    left join diffed d using (record_id)
    left join person p on p.id = c.editor
),
-- a revision is a change of its own where it was live for a while, and a later one has taken its place since
saved_between as (
    select
        r.record_id, r.occurred_at,
        case
            when r.autosave then 'non-change'
            when c.record_id is null or c.first or r.occurred_at >= c.occurred_at - interval 2 seconds then 'evidence'
            when exists (from event e where e.post = r.parent and e.occurred_at between r.occurred_at - interval 5 seconds and r.occurred_at + interval 5 seconds) then 'evidence'
            when c.live_before or (c.live_now and r.occurred_at >= c.published_at) then 'change'
            else 'non-change'
        end as category,
        'person' as actor_type, coalesce(p.name, 'user ' || r.author) as actor_name,
        coalesce(c.type, 'content') || '.update' as action, 'update' as operation,
        coalesce(c.type, 'content') || '/' || r.parent as object, r.id as version,
        to_json(list_filter([
            {'field': 'title', 'old': left(r.before->>'$.title.raw', 2000), 'new': left(r.record->>'$.title.raw', 2000)},
            {'field': 'content', 'old': left(r.before->>'$.content.raw', 2000), 'new': left(r.record->>'$.content.raw', 2000)},
            {'field': 'excerpt', 'old': left(r.before->>'$.excerpt.raw', 2000), 'new': left(r.record->>'$.excerpt.raw', 2000)}
        ], lambda d: d.old is distinct from d.new)) as diffs
    from revision r
    left join content c on c.id = r.parent
    left join person p on p.id = r.author
    -- the state that it is part of: the first after it
    qualify row_number() over (partition by r.record_id order by c.occurred_at >= r.occurred_at - interval 2 seconds desc, c.occurred_at) = 1
),
-- everything that is not content: one row for each object that differs
object as (
    select
        o.record_id, o.occurred_at, o.first, o.deleted, o.stream, d.diffs, o.previous, b,
        case o.stream when 'plugins' then split_part(b->>'$.plugin', '/', 1) when 'themes' then (b->>'$.stylesheet') when 'users' then (b->>'$.id') else 'site' end as id
    from (select *, case when deleted then previous else record end::json as b from raw where stream in ('plugins', 'themes', 'users', 'settings')) o
    left join diffed d using (record_id)
),
-- what the log tells of them within the two days before the snapshot that shows it
told_object as (
    select distinct o.record_id
    from object o
    join event e on e.occurred_at between o.occurred_at - interval 2 days and o.occurred_at and not e.failed
    left join option t on t.option = (e.context->>'$.option')
    where case o.stream
        when 'plugins' then ((e.context->>'$.plugin_name') = (o.b->>'$.name') or (e.context->>'$.plugin_slug') = o.id) and case e.action
            when 'SimplePluginLogger:plugin_activated' then (o.b->>'$.status') = 'active' and len(o.diffs) = 1
            when 'SimplePluginLogger:plugin_deactivated' then (o.b->>'$.status') = 'inactive' and len(o.diffs) = 1
            when 'SimplePluginLogger:plugin_installed' then o.previous is null
            when 'SimplePluginLogger:plugin_deleted' then o.deleted
            else e.action glob 'SimplePluginLogger:*' and (e.context->>'$.plugin_version') = (o.b->>'$.version')
        end
        when 'themes' then case e.action
            when 'SimpleThemeLogger:theme_switched' then (o.b->>'$.name.raw') in (e.context->>'$.theme_name', e.context->>'$.prev_theme_name') and len(o.diffs) = 1
            when 'SimpleThemeLogger:theme_updated' then (e.context->>'$.theme_version') = (o.b->>'$.version') and (e.context->>'$.theme_name') = (o.b->>'$.name.raw')
        end
        when 'users' then case
            when e.action = 'SimpleUserLogger:user_created' then o.previous is null and (e.context->>'$.created_user_id') = o.id
            when e.action = 'SimpleUserLogger:user_deleted' then o.deleted and (e.context->>'$.deleted_user_id') = o.id
            when e.action = 'SimpleUserLogger:user_role_updated' then (e.context->>'$.edited_user_id') = o.id and (o.b->>'$.roles') = '["' || (e.context->>'$.new_role') || '"]'
            else e.action = 'SimpleUserLogger:user_updated_profile' and (e.context->>'$.edited_user_id') = o.id
        end
        else len(o.diffs) = 1 and o.diffs[1].field = coalesce(t.setting, e.context->>'$.option') and o.diffs[1].new = (e.context->>'$.new_value')
    end
),
configured as (
    select
        o.record_id, o.occurred_at,
        case
            when o.first then 'evidence'
            when o.record_id in (select record_id from told_object) then 'evidence'
            -- nothing but what a person says about themselves, or what the site reckons
            when o.stream = 'users' and o.previous is not null and not o.deleted
                and len(list_filter(o.diffs, lambda x: x.field in ('roles', 'extra_capabilities', 'email', 'username'))) = 0 then 'non-change'
            else 'change'
        end as category,
        'unknown' as actor_type, null::varchar as actor_name,
        rtrim(o.stream, 's') || case
            when o.deleted then '.delete'
            when o.previous is null then '.create'
            when o.stream in ('plugins', 'themes') and (o.previous->>'$.status') is distinct from (o.b->>'$.status')
                then case when (o.b->>'$.status') = 'inactive' then '.deactivate' else '.activate' end
            else '.update'
        end as action,
        case when o.stream = 'users' then 'permission' when o.deleted then 'delete' when o.previous is null then 'create' else 'update' end as operation,
        rtrim(o.stream, 's') || '/' || o.id as object,
        o.b->>'$.version' as version,
        case when o.deleted or o.previous is null then to_json(list_filter(
                list_transform(['status', 'version', 'roles'], lambda k: {'field': k, 'old': (o.previous->>k), 'new': case when not o.deleted then (o.b->>k) end}),
                lambda d: d.old is distinct from d.new))
            else to_json(o.diffs) end as diffs
    from object o
),
logged as (
    select
        e.record_id, e.occurred_at,
        case
            when e.initiator = 'wp' and e.status_before = 'future' and e.status_now = 'publish' then 'evidence'
            when e.class = 'change' and e.post is not null and e.action glob 'SimplePostLogger:*' and e.action not in ('SimplePostLogger:post_trashed', 'SimplePostLogger:post_deleted')
                and not coalesce(
                    e.status_now not in (select status from hidden_status) or e.status_before not in (select status from hidden_status),
                    (select arg_min(c.live_before or (c.live_now and e.occurred_at >= c.published_at - interval 5 seconds), c.occurred_at)
                     from content c where c.id = e.post and c.occurred_at >= e.occurred_at - interval 5 seconds), true)
                then 'non-change'
            -- what never was public may be thrown away
            when e.action in ('SimplePostLogger:post_trashed', 'SimplePostLogger:post_deleted')
                and not coalesce(
                    (select arg_min(c.live_before, c.occurred_at) from content c where c.id = e.post and c.previous is not null and c.occurred_at >= e.occurred_at - interval 5 seconds), true)
                then 'non-change'
            else e.class
        end as category,
        case when e.initiator = 'wp' then 'service' when e.name is null then 'unknown' else 'person' end as actor_type,
        coalesce(e.name, case e.initiator when 'wp' then 'WordPress' end) as actor_name,
        e.action,
        case
            when e.operation in ('create', 'update') and e.post is not null and e.status_now in ('publish', 'future') and coalesce(e.status_before, '') not in ('publish', 'future') then 'publish'
            when e.operation = 'update' and e.status_before = 'publish' and e.status_now <> 'publish' then 'unpublish'
            else e.operation
        end as operation,
        coalesce(
            coalesce(nullif(e.context->>'$.post_type', ''), 'post') || '/' || e.post,
            'plugin/' || coalesce(split_part(e.context->>'$.plugin', '/', 1), e.context->>'$.plugin_slug', e.context->>'$.plugin_name'),
            'theme/' || (e.context->>'$.theme_name'),
            'user/' || coalesce(e.context->>'$.edited_user_id', e.context->>'$.created_user_id', e.context->>'$.deleted_user_id'),
            'setting/' || (e.context->>'$.option'),
            'site'
        ) as object,
        coalesce((select arg_max(r.id, r.occurred_at) from revision r where r.parent = e.post and not r.autosave and r.occurred_at <= e.occurred_at + interval 2 seconds), e.context->>'$.plugin_version') as version,
        case
            when e.action = 'SimplePluginLogger:plugin_activated' then to_json([{'field': 'status', 'old': 'inactive', 'new': 'active'}])
            when e.action = 'SimplePluginLogger:plugin_deactivated' then to_json([{'field': 'status', 'old': 'active', 'new': 'inactive'}])
            when e.action in ('SimplePostLogger:post_trashed', 'SimplePostLogger:post_deleted') then to_json([{'field': 'post_title', 'old': (e.context->>'$.post_title'), 'new': null::varchar}])
            else to_json(list_transform(
                list_filter(json_keys(e.context), lambda k: regexp_matches(k, '^(post_new_|user_new_|new_|plugin_version$)')),
                lambda k: {
                    'field': regexp_replace(k, '^(post_|user_)?new_', ''),
                    'old': left(json_extract_string(e.context, '/' || replace(replace(case when k = 'plugin_version' then 'plugin_prev_version' when k like 'new_%' then replace(k, 'new_', 'old_') else replace(k, '_new_', '_prev_') end, '~', '~0'), '/', '~1')), 2000),
                    'new': left(json_extract_string(e.context, '/' || replace(replace(k, '~', '~0'), '/', '~1')), 2000)
                }))
        end as diffs,
        e.initiator, case when e.failed then 'failed' else 'succeeded' end as outcome
    from event e
)
select
    record_id, occurred_at, category, coalesce(outcome, 'succeeded') as outcome, actor_type, actor_name,
    case
        when initiator = 'wp_cli' then 'cli'
        when initiator = 'wp' then 'service'
        when split_part(object, '/', 1) in ('plugin', 'theme', 'user', 'setting', 'site') then case when actor_type = 'person' then 'console' else 'unknown' end
        else 'content-editor'
    end as channel,
    action, operation, 'wordpress:' || object as resource, object, version, diffs::varchar as diffs
from (
    from saved union all by name from saved_between union all by name from configured union all by name from logged
);

-- emits: deployment
-- Somebody else's draft, published: one wrote it, another let it out. Only Simple History says who published.
with
person as (
    select record->>'$.id' as id, coalesce(nullif(record->>'$.email', ''), record->>'$.username') as name
    from raw
    where stream = 'users' and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by occurred_at desc nulls last, record_id desc) = 1
),
revision as (
    select occurred_at, record->>'$.parent' as parent, record->>'$.id' as id, record->>'$.author' as author
    from raw
    where stream = 'revisions' and (record->>'$.slug') not like '%-autosave-v1'
),
published as (
    select
        source, record_id, occurred_at, record->>'$.context.post_id' as post, coalesce(nullif(record->>'$.context.post_type', ''), 'post') as type,
        coalesce(nullif(record->>'$.initiator_data.user_email', ''), record->>'$.initiator_data.user_login') as publisher
    from raw
    where stream = 'events' and (record->>'$.logger') = 'SimplePostLogger' and (record->>'$.initiator') = 'wp_user'
      and coalesce(record->>'$.context.post_new_post_status', record->>'$.context.post_new_status') in ('publish', 'future')
      and coalesce(record->>'$.context.post_prev_post_status', record->>'$.context.post_prev_status') in ('draft', 'pending')
      -- Who alters anything while publishing lets out what is theirs: text, picture, template, custom fields, terms. WordPress
      -- itself sets status and dates, the address of what had none, and for a post one custom field, that it has yet to ping
      -- others; the log tells of custom fields only how many.
      and len(list_filter(
          json_keys(record, '$.context'),
          lambda k: regexp_matches(k, '^post_(new|prev|meta|terms|password)_')
              and coalesce(json_extract_string(record, '/context/' || replace(replace(k, '~', '~0'), '/', '~1')), '') not in ('', '0', '[]')
              and not regexp_matches(k, '^post_(new|prev)_(post_)?(status|(date|modified)(_gmt)?)$')
              and not (k = 'post_new_post_name' and coalesce(record->>'$.context.post_prev_post_name', '') = '')
              and not (k = 'post_meta_added' and (record->>'$.context.post_meta_added') = '1' and coalesce(nullif(record->>'$.context.post_type', ''), 'post') = 'post')
      )) = 0
),
created as (
    select
        occurred_at, record->>'$.context.post_id' as post,
        coalesce(nullif(record->>'$.initiator_data.user_email', ''), record->>'$.initiator_data.user_login') as creator
    from raw
    where stream = 'events' and (record->>'$.logger') = 'SimplePostLogger' and (record->>'$.initiator') = 'wp_user'
      and coalesce(record->>'$.message_key', record->>'$.context._message_key') = 'post_created'
),
-- The tolerance below is for the revision that publishing itself may leave: who changed the words in these seconds lets out
-- their own.
edited as (
    select
        occurred_at, record->>'$.context.post_id' as post,
        coalesce(nullif(record->>'$.initiator_data.user_email', ''), record->>'$.initiator_data.user_login') as editor
    from raw
    where stream = 'events' and (record->>'$.logger') = 'SimplePostLogger'
      and coalesce(record->>'$.context.post_new_post_content', record->>'$.context.post_new_post_title', record->>'$.context.post_new_post_excerpt') is not null
),
written as (
    select
        p.*,
        (select arg_max(r.id, r.occurred_at) from revision r where r.parent = p.post and r.occurred_at <= p.occurred_at + interval 2 seconds) as version,
        -- the first save of a draft leaves no revision: then it is who made the draft. Whom it names as author was chosen.
        coalesce(
            (select arg_max(e.name, r.occurred_at) from revision r join person e on e.id = r.author where r.parent = p.post and r.occurred_at < p.occurred_at - interval 2 seconds),
            (select arg_min(c.creator, c.occurred_at) from created c where c.post = p.post)
        ) as editor
    from published p
)
select
    w.record_id,
    w.source || ':' || w.type || '/' || w.post || '@' || w.version || '#' || split_part(w.record_id, '/', 2) as deployment_id,
    w.source || ':' || w.type || '/' || w.post || '@' || w.version as release_id,
    'wordpress' as pipeline,
    w.version,
    'publish' as stage,
    'manual' as trigger,
    w.editor as requested_by,
    [w.editor] as authors,
    w.occurred_at as started_at,
    w.occurred_at as finished_at,
    'succeeded' as outcome,
    [{'phase': 'pre', 'decision': 'approved', 'approver': w.publisher, 'decided_at': w.occurred_at, 'automated': false, 'gated': true, 'comment': null::varchar}] as approvals,
    ['wordpress:' || w.type || '/' || w.post || '@' || w.version] as items
from written w
where w.version is not null and lower(w.editor) <> lower(w.publisher)
  and not exists (
      from edited e
      where e.post = w.post and lower(e.editor) = lower(w.publisher)
        and e.occurred_at between w.occurred_at - interval 2 seconds and w.occurred_at + interval 2 seconds
  );
