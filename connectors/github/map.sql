-- What GitHub's deployments, runs, reviews, environments and audit entries mean.
--
-- A deployment exists from when a job asks for its environment; it runs from its first status `in_progress`, which comes
-- after the gates. The history of decisions on a run says neither when nor for which attempt: only while a run had one
-- attempt is it certain that the stage was held for it; the audit log gives the time where it is read. Logins are what the server knows;
-- names and dates in commits are what a committer wrote, and are not looked at.

-- emits: deployment
with
asked as (
    select record_id, item as repository, from_json(record, '{"id": "VARCHAR", "sha": "VARCHAR", "environment": "VARCHAR", "task": "VARCHAR", "created_at": "VARCHAR", "statuses_url": "VARCHAR", "creator": {"login": "VARCHAR"}}') as t
    from raw where stream = 'deployments'
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
status as (
    select item as statuses_url, record->>'$.state' as state, make_utc(record->>'$.created_at') as told_at,
           regexp_extract(coalesce(record->>'$.log_url', '') || ' ' || coalesce(record->>'$.target_url', ''), '/actions/runs/(\d+)', 1) as run_id
    from raw where stream = 'statuses'
),
went as (
    select
        statuses_url,
        max(run_id) filter (where run_id <> '') as run_id,
        min(told_at) filter (where state = 'in_progress') as started_at,
        min(told_at) filter (where state in ('success', 'failure', 'error')) as finished_at,
        arg_max(state, told_at) filter (where state <> 'inactive') as state
    from status group by statuses_url
),
run as (
    -- each attempt of each run, as it was last seen
    select (record->>'$.id') as run_id, from_json(record, '{"run_attempt": "BIGINT", "event": "VARCHAR", "conclusion": "VARCHAR", "path": "VARCHAR", "head_sha": "VARCHAR", "display_title": "VARCHAR",
        "run_started_at": "VARCHAR", "updated_at": "VARCHAR", "html_url": "VARCHAR", "actor": {"login": "VARCHAR"}, "triggering_actor": {"login": "VARCHAR"}}') as t
    from raw where stream in ('runs', 'attempts')
    qualify row_number() over (partition by (record->>'$.id'), (record->>'$.run_attempt') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
attempt as (
    -- the attempt that was going on when the deployment was asked for
    select a.t.id as id, r.run_id, r.t
    from asked a
    join went w on w.statuses_url = a.t.statuses_url
    join run r on r.run_id = w.run_id
    qualify row_number() over (partition by a.t.id order by coalesce(make_utc(r.t.run_started_at) <= make_utc(a.t.created_at), false) desc, r.t.run_attempt desc) = 1
),
span as (
    select run_id, t.run_attempt as attempt, make_utc(t.run_started_at) as begins,
           lead(make_utc(t.run_started_at)) over (partition by run_id order by t.run_attempt) as ends
    from run
),
audited as (
    select record->>'$.action' as action, (record->>'$.workflow_run_id') as run_id, (record->>'$.run_attempt')::bigint as attempt,
           record->>'$.actor' as actor, record->>'$.environment_name' as environment, occurred_at
    from raw where stream = 'audit' and (record->>'$.action') in ('workflows.approve_workflow_job', 'workflows.reject_workflow_job', 'workflows.bypass_protection_rules')
),
decision as (
    select regexp_extract(item, '/runs/(\d+)', 1) as run_id, record->>'$.state' as state, record->>'$.user.login' as login, record->>'$.comment' as comment,
           -- read with a run that then had one attempt only: the unit of what follows from a record bears its hash
           exists (from raw r where r.stream = 'runs' and (r.record->>'$.run_attempt') = '1' and (r.record->>'$.url') = d.item and ends_with(d.unit, '/' || left(sha256(r.record_id), 16))) as of_first,
           unnest(from_json(json_extract(record, '$.environments'), '[{"name": "VARCHAR"}]')).name as environment
    from raw d where stream = 'decisions'
),
-- what one person decided is told once for each time, and stands once
told as (
    select run_id, environment, state, login, bool_or(of_first) as of_first, string_agg(comment, ' / ' order by comment) as comment
    from decision group by all
),
decided as (
    select
        a.t.id as id,
        list({
            'phase': 'pre', 'decision': d.state, 'approver': d.login,
            'decided_at': (
                select max(u.occurred_at) from audited u
                where u.run_id = d.run_id and lower(u.actor) = lower(d.login) and u.action = case d.state when 'approved' then 'workflows.approve_workflow_job' else 'workflows.reject_workflow_job' end
                  and coalesce(u.attempt = p.t.run_attempt, u.occurred_at >= s.begins and coalesce(u.occurred_at < s.ends, true)) and coalesce(u.environment = d.environment, true)
            ),
            'automated': d.login like '%[bot]', 'gated': p.t.run_attempt = 1 and d.of_first, 'comment': d.comment
        } order by d.login) as approvals
    from asked a
    join attempt p on p.id = a.t.id
    join span s on s.run_id = p.run_id and s.attempt = p.t.run_attempt
    join told d on d.run_id = p.run_id and d.environment = a.t.environment
    group by a.t.id
),
wrote as (
    select record->>'$.merge_commit_sha' as commit_sha, list(distinct record->>'$.user.login') as authors
    from raw where stream = 'pulls' and (record->>'$.merged_at') is not null group by all
)
select
    a.record_id,
    concat_ws(':', 'github', a.repository, coalesce(p.run_id, 'deployment-' || a.t.id), a.t.environment, p.t.run_attempt) as deployment_id,
    a.repository || '@' || left(a.t.sha, 12) as release_id,
    a.repository || coalesce('/' || list_last(string_split(p.t.path, '/')), '') as pipeline,
    left(a.t.sha, 12) as version,
    a.t.sha as commit_sha,
    a.t.environment as stage,
    case when a.t.task like '%rollback%' then 'rollback' when p.t.event in ('workflow_dispatch', 'repository_dispatch') then 'manual' when p.t.event = 'schedule' then 'scheduled' when p.t.event is not null then 'automatic' end as trigger,
    coalesce(p.t.triggering_actor.login, p.t.actor.login, a.t.creator.login) as requested_by,
    coalesce(w.started_at, case when w.state in ('success', 'failure', 'error') and p.run_id is null then make_utc(a.t.created_at) end) as started_at,
    w.finished_at,
    case
        when w.state = 'success' then 'succeeded'
        when w.state in ('failure', 'error') and w.started_at is null and list_has_any([x.decision for x in d.approvals], ['rejected']) then 'rejected'
        when w.state in ('failure', 'error') then 'failed'
        else 'running'
    end as outcome,
    exists (
        from audited u where u.action = 'workflows.bypass_protection_rules' and u.run_id = p.run_id
          and coalesce(u.attempt = p.t.run_attempt, u.occurred_at >= s.begins and coalesce(u.occurred_at < s.ends, true)) and coalesce(u.environment = a.t.environment, true)
    ) as bypassed,
    case when p.run_id is not null then coalesce(d.approvals, []) end as approvals,
    case when p.run_id is not null then [p.run_id] else [] end as run_ids,
    case when p.run_id is not null then ['gh-' || p.run_id || '-' || p.t.run_attempt, 'gh-' || p.run_id] else [] end as session_names,
    ['repo:' || a.repository || ':environment:' || replace(a.t.environment, ':', '%3A')] as subjects,
    regexp_extract_all(upper(coalesce(p.t.display_title, '')), '\b(?:CHG\d{5,}|[A-Z][A-Z0-9]{1,9}-\d+)\b') as tickets,
    b.authors,
    coalesce(p.t.html_url, 'https://github.com/' || a.repository || '/deployments') as url
from asked a
left join went w on w.statuses_url = a.t.statuses_url
left join attempt p on p.id = a.t.id
left join span s on s.run_id = p.run_id and s.attempt = p.t.run_attempt
left join decided d on d.id = a.t.id
left join wrote b on b.commit_sha = a.t.sha;

-- emits: approval
with
pull as (
    select (record->>'$.url') as url, record->>'$.merge_commit_sha' as commit_sha, record->>'$.head.sha' as head
    from raw where stream = 'pulls' and (record->>'$.merged_at') is not null
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
review as (
    -- a comment decides nothing; of one person's decisions the last counts, and one that was dismissed since is none
    select record_id, item, record->>'$.user.login' as login, record->>'$.state' as state, record->>'$.commit_id' as commit_id,
           make_utc(record->>'$.submitted_at') as told_at, record->>'$.body' as comment
    from raw where stream = 'reviews' and (record->>'$.state') in ('APPROVED', 'CHANGES_REQUESTED', 'DISMISSED')
    qualify row_number() over (partition by item, lower(record->>'$.user.login') order by make_utc(record->>'$.submitted_at') desc, (record->>'$.state') = 'DISMISSED' desc, position desc) = 1
)
select
    r.record_id, p.commit_sha, 'review' as phase,
    case r.state when 'APPROVED' then 'approved' when 'CHANGES_REQUESTED' then 'rejected' else 'withdrawn' end as decision,
    r.login as approver, r.told_at as decided_at, r.login like '%[bot]' as automated, false as gated,
    -- what was pushed after the review, the reviewer has not seen; a date in a commit says nothing of it
    case when r.commit_id = p.head then p.commit_sha else r.commit_id end as for_commit,
    r.comment
from review r
join pull p on p.url = r.item
where p.commit_sha is not null;

-- emits: pipeline_stage
with
environment as (
    select record_id, item as repository, from_json(record, '{"name": "VARCHAR", "updated_at": "VARCHAR", "can_admins_bypass": "BOOLEAN",
        "protection_rules": [{"type": "VARCHAR", "prevent_self_review": "BOOLEAN", "reviewers": [{"type": "VARCHAR", "reviewer": {"login": "VARCHAR", "slug": "VARCHAR"}}]}]}') as t
    from raw where stream = 'environments'
    qualify row_number() over (partition by item, (case when deleted then previous else record end->>'$.id') order by occurred_at desc nulls last, deleted desc, record_id desc) = 1 and not deleted
),
run as (
    select distinct (record->>'$.id') as run_id, record->>'$.event' as event, list_last(string_split(record->>'$.path', '/')) as workflow, make_utc(record->>'$.created_at') as created_at
    from raw where stream = 'runs'
),
used as (
    -- which workflow deploys to which environment, and how it was started the last time
    select d.item as repository, d.record->>'$.environment' as environment, r.workflow, arg_max(r.event, r.created_at) as event
    from raw d
    join raw s on s.stream = 'statuses' and s.item = (d.record->>'$.statuses_url')
    join run r on r.run_id = regexp_extract(coalesce(s.record->>'$.log_url', '') || ' ' || coalesce(s.record->>'$.target_url', ''), '/actions/runs/(\d+)', 1)
    where d.stream = 'deployments'
    group by all
),
gate as (select e.*, list_filter(e.t.protection_rules, lambda x: x.type = 'required_reviewers')[1] as rule from environment e)
select
    g.record_id, g.repository || '/' || u.workflow as pipeline, max(make_utc(g.t.updated_at)) over (partition by g.repository, u.workflow) as changed_at, g.t.name as stage,
    case when u.event in ('workflow_dispatch', 'repository_dispatch') then 'manual' when u.event = 'schedule' then 'scheduled' else 'automatic' end as trigger,
    -- of the reviewers that are listed one is enough
    case when g.rule is null then 0 else 1 end as approvals_required,
    coalesce([coalesce(x.reviewer.login, 'team:' || x.reviewer.slug) for x in g.rule.reviewers], []) as approvers,
    case when g.rule is null then null else not coalesce(g.rule.prevent_self_review, false) end as requester_can_approve,
    g.t.can_admins_bypass as can_bypass
from gate g
join used u on u.repository = g.repository and u.environment = g.t.name;

-- emits: change
with
entry as (
    select record_id, occurred_at, record->>'$.action' as action, nullif(record->>'$.actor', '') as actor_name,
           case when (record->>'$.actor') like '%[bot]' or (record->>'$.actor_is_bot')::boolean then 'application' else 'person' end as actor_type,
           record->>'$.user_agent' as user_agent, coalesce(record->>'$.repo', record->>'$.org') as account,
           coalesce(record->>'$.environment_name', record->>'$.name', record->>'$.workflow_run_id', record->>'$.team', record->>'$.user') as object
    from raw where stream = 'audit'
),
classed as (
    select e.*, coalesce(k.category, 'change') as category, coalesce(k.operation, 'other') as operation, k.action as classed_by
    from entry e
    left join action_class k on e.action glob k.action
    qualify row_number() over (partition by e.record_id order by position('*' in k.action) > 0, length(k.action) desc) = 1
),
-- settings of gates as they are: where the audit log is read, that tells who changed them
kept as (
    select record_id, occurred_at, first, deleted, stream, previous, record,
           case stream when 'environments' then item else coalesce(case when deleted then previous else record end->>'$.source', item) end as place,
           coalesce(case when deleted then previous else record end->>'$.name', '') as name,
           exists (from raw a where a.stream = 'audit') as audited
    from raw where stream in ('environments', 'rulesets')
)
select record_id, occurred_at, action, category, operation, actor_type, actor_name, 'api' as channel, user_agent, account,
       'github:' || account || '/' || split_part(action, '.', 1) || coalesce('/' || object, '') as resource,
       split_part(action, '.', 1) || coalesce('/' || object, '') as object, null::varchar as diffs, classed_by
from classed
union all by name
select record_id, occurred_at,
       case stream when 'environments' then 'environment.' else 'ruleset.' end || case when deleted then 'deleted' when first then 'seen' when previous is null then 'created' else 'changed' end as action,
       case when first or audited then 'evidence' else 'change' end as category,
       case when deleted then 'delete' else 'permission' end as operation, 'unknown' as actor_type, place as account,
       'github:' || place || '/' || rtrim(stream, 's') || '/' || name as resource, rtrim(stream, 's') || '/' || name as object,
       case when previous is not null and not deleted then json_array(json_object('field', 'rules', 'old', coalesce(previous->'$.protection_rules', previous->'$.rules'), 'new', coalesce(record->'$.protection_rules', record->'$.rules')))::varchar end as diffs
from kept where occurred_at is not null
union all by name
select record_id, coalesce(occurred_at, make_utc(record->>'$.submitted_at')) as occurred_at, case stream when 'runs' then 'run' when 'attempts' then 'run' when 'pulls' then 'pull-request' when 'reviews' then 'review' else 'deployment-status' end as action,
       case when stream in ('runs', 'attempts', 'deployments') then 'release-control' else 'evidence' end as category, 'other' as operation,
       coalesce(record->>'$.triggering_actor.login', record->>'$.user.login', record->>'$.creator.login') as actor_name,
       case when coalesce(record->>'$.triggering_actor.login', record->>'$.user.login', record->>'$.creator.login', '') like '%[bot]' then 'application' else 'person' end as actor_type,
       'github:' || stream || '/' || (record->>'$.id') as resource
from raw
where stream in ('deployments', 'statuses', 'runs', 'attempts', 'pulls', 'reviews')
union all by name
-- a decision has no time of its own
select d.record_id, r.told_at as occurred_at, 'decision' as action, 'release-control' as category, 'other' as operation,
       d.record->>'$.user.login' as actor_name, 'person' as actor_type, 'github:' || d.stream || '/' || regexp_extract(d.item, '[^/]*$') as resource
from raw d
left join (select record->>'$.url' as url, max(make_utc(record->>'$.updated_at')) as told_at from raw where stream = 'runs' group by all) r on r.url = d.item
where d.stream = 'decisions'
union all by name
select record_id, occurred_at, case when stream = 'teams' then 'team.seen' else 'team.member-seen' end as action, 'evidence' as category, 'other' as operation,
       'unknown' as actor_type, 'github:' || stream || '/' || coalesce(record->>'$.slug', record->>'$.login', record->>'$.object') as resource
from raw
where stream in ('teams', 'team_members');

-- emits: membership
with
team as (
    select distinct record->>'$.url' as url, regexp_extract(record->>'$.url', '[^/]+/team/\d+$') as place, record->>'$.slug' as slug from raw where stream = 'teams' and not deleted
),
member as (
    select record_id, occurred_at, item, first, deleted, case when deleted then previous else record end as body from raw where stream = 'team_members'
),
told as (
    select record_id, occurred_at, record->>'$.action' as action, list_last(string_split(record->>'$.team', '/')) as slug, record->>'$.user' as login
    from raw where stream = 'audit' and (record->>'$.action') in ('team.add_member', 'team.remove_member')
)
select m.record_id, m.item as group_id, t.slug as group_name, lower(m.body->>'$.login') as member_id, m.body->>'$.login' as member_name,
       [m.body->>'$.login'] as identities, not m.deleted as is_member, m.occurred_at as told_at, m.first as is_first
from member m
left join team t on t.place = regexp_extract(m.item, '[^/]+/team/\d+$')
union all by name
select a.record_id, t.url as group_id, t.slug as group_name, lower(a.login) as member_id, [a.login] as identities,
       a.action = 'team.add_member' as is_member, a.occurred_at as told_at, false as is_first
from told a
join team t using (slug);
