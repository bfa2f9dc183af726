-- What GitHub's deployments, runs, reviews, environments and audit entries mean.
--
-- GitHub makes a deployment for each job that asks for an environment, from when it asks; it runs from its first status
-- `in_progress`, which comes after the gates. All jobs that one attempt of a run has in one environment are one deployment
-- here: one run of one stage. Which run it was stands only in an address that anybody with the right to deploy may write, so
-- it counts where what GitHub itself says fits: who made it, of which commit, and when. The history of decisions on a run
-- says neither when nor for which attempt: only while a run had one attempt is it certain that the stage was held for it; the
-- audit log gives the time where it is read. Logins are what the server knows; names and dates in commits are what a committer
-- wrote, and are not looked at.

-- emits: deployment
with
made as (
    -- Who made a deployment or told its state, as GitHub says. A job that has an environment: the Actions app, in the name of
    -- whoever started the run. A step, with the run's token: the app's own login, which no person can have. Else somebody else.
    select
        record_id, stream, item, position, record,
        case
            when coalesce(record->>'$.performed_via_github_app.slug', 'github-actions') <> 'github-actions' then null
            when (record->>'$.creator.login') = 'github-actions[bot]' and coalesce(record->>'$.creator.type', 'Bot') = 'Bot' then 'step'
            when (record->>'$.performed_via_github_app.slug') = 'github-actions' then 'job'
        end as made_by
    from raw where stream in ('deployments', 'statuses')
),
repository as (
    -- by whichever name it was read, a repository is one, as its runs say; a release goes by the first of its names
    select name, place, first_value(name) over (partition by place order by since, name) as first_name
    from (
        select item as name, coalesce(arg_min(record->>'$.repository.id', make_utc(record->>'$.created_at')), lower(item)) as place, min(make_utc(record->>'$.created_at')) as since
        from raw where stream in ('deployments', 'runs') group by item
    )
),
asked as (
    -- A deployment goes by the name by which its repository was first read, whatever that is called later. A status may give
    -- it another environment than the one whose gate held the job.
    select record_id, arg_min(item, (make_utc(record->>'$.updated_at'), position)) over (partition by (record->>'$.id')) as repository,
           list(regexp_extract(record->>'$.statuses_url', '/repos/([^/]+/[^/]+)/deployments/', 1)) over (partition by (record->>'$.id')) as names,
           made_by, make_utc(record->>'$.created_at') as asked_at,
           case when made_by is null then record->>'$.environment' else coalesce(record->>'$.original_environment', record->>'$.environment') end as environment,
           from_json(record, '{"id": "VARCHAR", "sha": "VARCHAR", "task": "VARCHAR", "statuses_url": "VARCHAR", "creator": {"login": "VARCHAR"}}') as t
    from made where stream = 'deployments'
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
status as (
    -- of what Actions made only Actions tells, a job of a job's and a step of a step's; `inactive` tells of a later deployment
    select a.t.id as id, s.record->>'$.state' as state, make_utc(s.record->>'$.created_at') as told_at, try_cast(s.record->>'$.id' as bigint) as number,
           regexp_extract(coalesce(s.record->>'$.log_url', '') || ' ' || coalesce(s.record->>'$.target_url', ''), '/actions/runs/(\d+)', 1) as run_id
    from asked a
    join made s on s.stream = 'statuses' and regexp_extract(s.item, '/deployments/(\d+)/', 1) = a.t.id and (a.made_by is null or s.made_by = a.made_by)
    where (s.record->>'$.state') <> 'inactive'
),
named as (
    -- what is told later moves nothing to another run
    select id, arg_min(run_id, (told_at, number)) as run_id from status where run_id <> '' group by id
),
run as (
    -- each attempt of each run, as it was last seen, and when it was over
    select (record->>'$.id') as run_id, arg_min(item, (make_utc(record->>'$.updated_at'), position)) filter (where stream = 'runs') over (partition by (record->>'$.id')) as name,
           from_json(record, '{"run_attempt": "BIGINT", "event": "VARCHAR", "conclusion": "VARCHAR", "path": "VARCHAR", "head_sha": "VARCHAR", "display_title": "VARCHAR",
               "run_started_at": "VARCHAR", "html_url": "VARCHAR", "actor": {"login": "VARCHAR"}, "triggering_actor": {"login": "VARCHAR"}}') as t,
           min(make_utc(record->>'$.updated_at')) filter (where (record->>'$.status') = 'completed') over (partition by (record->>'$.id'), (record->>'$.run_attempt')) as completed_at
    from raw where stream in ('runs', 'attempts')
    qualify row_number() over (partition by (record->>'$.id'), (record->>'$.run_attempt') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
attempt as (
    select *, t.run_attempt as attempt, make_utc(t.run_started_at) as begins,
           lead(make_utc(t.run_started_at)) over (partition by run_id order by t.run_attempt) as next_begins,
           least(completed_at, next_begins) as ends
    from run
    left join repository using (name)
),
fitting as (
    -- the attempt that was going on when the deployment was asked for, of a run of that commit; five minutes for clocks
    select a.t.id as id, a.made_by, lower(a.environment) as environment, r.*
    from asked a
    join repository p on p.name = a.repository
    join named n on n.id = a.t.id
    join attempt r on r.run_id = n.run_id and r.place = p.place and r.t.head_sha = a.t.sha
     and a.asked_at >= r.begins - interval 5 minutes and coalesce(a.asked_at <= r.ends + interval 5 minutes, true)
    where a.made_by is not null
    qualify row_number() over (partition by a.t.id order by r.begins <= a.asked_at desc, r.attempt desc) = 1
),
own as (
    -- The gate of an environment holds its jobs, not a step that asks for a deployment there, be it of this run or of another:
    -- beside a job's a step's deployment has no part in what was approved.
    select * from fitting
    qualify made_by = 'job' or not bool_or(made_by = 'job') over (partition by run_id, attempt, environment)
),
went as (
    -- what is told after the attempt is not told by it
    select
        s.id,
        min(s.told_at) filter (where s.state = 'in_progress') as started_at,
        min(s.told_at) filter (where s.state in ('success', 'failure', 'error')) as ended_at,
        arg_max(s.state, (s.told_at, s.number)) as state,
        bool_or(s.state = 'waiting') as waited
    from status s
    left join own o using (id)
    where coalesce(s.told_at <= o.ends + interval 5 minutes, true)
    group by s.id
),
part as (
    -- Each deployment of GitHub's. A job that told no start did not run; what no gate held went on from when it was made. When
    -- the attempt is over, so is what nobody told the end of: cancelled, unless the run failed while it went on.
    select
        a.record_id, a.repository, a.names, a.environment, a.t, (a.asked_at, try_cast(a.t.id as bigint)) as turn, o.run_id, o.attempt, o.begins, o.next_begins, o.t as run,
        coalesce(w.started_at, case when a.made_by is distinct from 'job' and not w.waited and w.state in ('success', 'failure', 'error') then a.asked_at end) as started_at,
        least(w.ended_at, o.ends) as finished_at,
        case
            when w.state = 'success' then 'succeeded'
            when w.state in ('failure', 'error') then 'failed'
            when o.ends is null then 'running'
            when w.started_at is not null and o.t.conclusion in ('failure', 'timed_out') then 'failed'
            else 'cancelled'
        end as outcome
    from asked a
    left join own o on o.id = a.t.id
    left join went w on w.id = a.t.id
),
stage as (
    -- All jobs of an attempt in one environment; what is no run's stands alone. It is open while one of them runs; one that
    -- waits holds nothing open, and one that never ran adds nothing.
    select
        arg_min(record_id, turn) as record_id, repository, flatten(list(names)) as names, any_value(run_id) as run_id, attempt, coalesce(any_value(run_id), 'deployment-' || min(t.id)) as whose,
        arg_min(environment, turn) as environment, arg_min(t, turn) as t, any_value(run) as run, any_value(begins) as begins, any_value(next_begins) as next_begins,
        min(started_at) as started_at,
        case
            when bool_or(started_at is not null and finished_at is null) then null
            else coalesce(max(finished_at) filter (where started_at is not null), max(finished_at))
        end as finished_at,
        list(distinct outcome) as outcomes,
        bool_or(t.task like '%rollback%') as is_rollback
    from part
    group by repository, coalesce(part.run_id, 'deployment-' || part.t.id), attempt, lower(part.environment)
),
audited as (
    select record->>'$.action' as action, (record->>'$.workflow_run_id') as run_id, (record->>'$.run_attempt')::bigint as attempt,
           lower(record->>'$.actor') as actor, lower(record->>'$.environment_name') as environment, occurred_at
    from raw where stream = 'audit' and (record->>'$.action') in ('workflows.approve_workflow_job', 'workflows.reject_workflow_job', 'workflows.bypass_protection_rules')
),
-- what the audit log says of this stage
logged as (
    select s.record_id, s.started_at, u.action, u.actor, u.occurred_at
    from stage s
    join audited u on u.run_id = s.run_id
     and coalesce(u.attempt = s.attempt, u.occurred_at >= s.begins and coalesce(u.occurred_at < s.next_begins, true))
     and coalesce(u.environment = lower(s.environment), true)
),
-- Each job is approved by itself: of somebody's approvals the last before the stage began counts, else the first.
dated as (
    select record_id, actor, case action when 'workflows.approve_workflow_job' then 'approved' else 'rejected' end as state,
           coalesce(max(occurred_at) filter (where in_time(occurred_at, started_at)), min(occurred_at)) as decided_at
    from logged where action <> 'workflows.bypass_protection_rules' group by all
),
decision as (
    select regexp_extract(item, '/runs/(\d+)', 1) as run_id, record->>'$.state' as state, record->>'$.user.login' as login, record->>'$.comment' as comment,
           -- read with a run that then had one attempt only: the unit of what follows from a record bears its hash
           exists (from raw r where r.stream = 'runs' and (r.record->>'$.run_attempt') = '1' and (r.record->>'$.id') = regexp_extract(d.item, '/runs/(\d+)', 1) and ends_with(d.unit, '/' || left(sha256(r.record_id), 16))) as of_first,
           lower(unnest(from_json(json_extract(record, '$.environments'), '[{"name": "VARCHAR"}]')).name) as environment
    from raw d where stream = 'decisions'
),
-- what one person decided is told once for each time, and stands once
told as (
    select run_id, environment, state, login, bool_or(of_first) as of_first, string_agg(distinct comment, ' / ' order by comment) as comment
    from decision group by all
),
decided as (
    select
        s.record_id,
        list({
            'phase': 'pre', 'decision': d.state, 'approver': d.login, 'decided_at': u.decided_at,
            'automated': d.login like '%[bot]', 'gated': s.attempt = 1 and d.of_first, 'comment': d.comment
        } order by d.login) as approvals
    from stage s
    join told d on d.run_id = s.run_id and d.environment = lower(s.environment)
    left join dated u on u.record_id = s.record_id and u.actor = lower(d.login) and u.state = d.state
    group by s.record_id
),
wrote as (
    select record->>'$.merge_commit_sha' as commit_sha, list(distinct record->>'$.user.login') as authors
    from raw where stream = 'pulls' and (record->>'$.merged_at') is not null group by all
)
select
    s.record_id,
    concat_ws(':', 'github', s.repository, s.whose, s.environment, s.attempt) as deployment_id,
    p.first_name || '@' || left(s.t.sha, 12) as release_id,
    s.repository || coalesce('/' || list_last(string_split(split_part(s.run.path, '@', 1), '/')), '') as pipeline,
    left(s.t.sha, 12) as version,
    s.t.sha as commit_sha,
    s.environment as stage,
    case when s.is_rollback then 'rollback' when s.run.event in ('workflow_dispatch', 'repository_dispatch') then 'manual' when s.run.event = 'schedule' then 'scheduled' when s.run.event is not null then 'automatic' end as trigger,
    -- a schedule names whoever wrote it last, which asks for nothing; who runs it again does
    case when s.run.event = 'schedule' and s.attempt = 1 then null else coalesce(s.run.triggering_actor.login, s.run.actor.login, s.t.creator.login) end as requested_by,
    s.started_at,
    s.finished_at,
    -- it is as good as the worst of its jobs
    case
        when list_contains(s.outcomes, 'running') then 'running'
        when s.outcomes = ['succeeded'] then 'succeeded'
        when s.started_at is null and list_has_any([x.decision for x in d.approvals], ['rejected']) then 'rejected'
        when list_contains(s.outcomes, 'succeeded') then 'partial'
        when list_contains(s.outcomes, 'failed') then 'failed'
        else 'cancelled'
    end as outcome,
    exists (from logged u where u.record_id = s.record_id and u.action = 'workflows.bypass_protection_rules') as bypassed,
    case when s.run_id is not null then coalesce(d.approvals, []) end as approvals,
    case when s.run_id is not null then [s.run_id] else [] end as run_ids,
    case when s.run_id is not null then ['gh-' || s.run_id || '-' || s.attempt, 'gh-' || s.run_id] else [] end as session_names,
    case when s.run_id is not null then list_sort(list_distinct(['repo:' || n || ':environment:' || replace(s.environment, ':', '%3A') for n in list_append(s.names, s.repository)])) else [] end as subjects,
    tickets_in(coalesce(s.run.display_title, '')) as tickets,
    b.authors,
    coalesce(s.run.html_url, 'https://github.com/' || s.repository || '/deployments') as url
from stage s
join repository p on p.name = s.repository
left join decided d using (record_id)
left join wrote b on b.commit_sha = s.t.sha;

-- emits: approval
with
pull as (
    select (record->>'$.id') as pull_id, record->>'$.merge_commit_sha' as commit_sha, record->>'$.head.sha' as head
    from raw where stream = 'pulls' and (record->>'$.merged_at') is not null
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.updated_at') desc, position desc) = 1
),
-- what reviews were read for, by the hash that their unit bears (an address changes with the repository's name), and when
-- that had last been touched
touched as (
    select (record->>'$.id') as pull_id, left(sha256(record_id), 16) as reading, make_utc(record->>'$.updated_at') as touched_at from raw where stream = 'pulls'
),
reviewed as (
    -- A comment decides nothing. That a review was dismissed stands in the place of what it said, without a time: it was by
    -- the time that it was read so, where it had been read before; else nothing is known of what it said.
    select r.record_id, u.pull_id, record->>'$.id' as id, record->>'$.user.login' as login, record->>'$.state' as state, record->>'$.commit_id' as commit_id,
           make_utc(record->>'$.submitted_at') as told_at, record->>'$.body' as comment,
           coalesce(min(u.touched_at) filter (where (record->>'$.state') = 'DISMISSED') over review,
                    min(make_utc(record->>'$.submitted_at')) filter (where (record->>'$.state') = 'DISMISSED') over review) as dismissed_at
    from raw r
    join touched u on u.reading = list_last(string_split(r.unit, '/'))
    where r.stream = 'reviews' and (record->>'$.state') in ('APPROVED', 'CHANGES_REQUESTED', 'DISMISSED')
    window review as (partition by (record->>'$.id'))
    qualify row_number() over (partition by (record->>'$.id') order by (record->>'$.state') = 'DISMISSED', r.record_id, r.position) = 1
),
-- each holds until the same person's next one
review as (
    select *, least(lead(told_at) over (partition by pull_id, lower(login) order by told_at, try_cast(id as bigint)), case when state <> 'DISMISSED' then dismissed_at end) as valid_to from reviewed
)
select
    r.record_id, p.commit_sha, 'review' as phase,
    case r.state when 'APPROVED' then 'approved' when 'CHANGES_REQUESTED' then 'rejected' else 'withdrawn' end as decision,
    r.login as approver, r.told_at as decided_at, r.login like '%[bot]' as automated, false as gated,
    -- what was pushed after the review, the reviewer has not seen; a date in a commit says nothing of it
    case when r.commit_id = p.head then p.commit_sha else r.commit_id end as for_commit,
    r.comment, r.valid_to
from review r
join pull p using (pull_id)
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
    select distinct (record->>'$.id') as run_id, item as repository, record->>'$.head_sha' as head_sha,
           record->>'$.event' as event, list_last(string_split(split_part(record->>'$.path', '@', 1), '/')) as workflow, make_utc(record->>'$.created_at') as created_at
    from raw where stream = 'runs'
),
made as (
    select stream, item, record
    from raw
    where stream in ('deployments', 'statuses')
      and (
          (record->>'$.performed_via_github_app.slug') = 'github-actions'
          or (record->>'$.creator.login') = 'github-actions[bot]' and coalesce(record->>'$.creator.type', 'Bot') = 'Bot'
      )
),
used as (
    -- which workflow deploys to which environment, and what started it; as for deployments, an address alone says nothing of a run
    select d.item as repository, lower(coalesce(d.record->>'$.original_environment', d.record->>'$.environment')) as environment, r.workflow,
           trigger_of_runs(list({
               'trigger': case when r.event in ('workflow_dispatch', 'repository_dispatch') then 'manual' when r.event = 'schedule' then 'scheduled' when r.event is not null then 'automatic' end,
               'began_at': r.created_at
           }), null::timestamp) as trigger
    from made d
    join made s on s.stream = 'statuses' and regexp_extract(s.item, '/deployments/(\d+)/', 1) = (d.record->>'$.id')
    join run r on r.run_id = regexp_extract(coalesce(s.record->>'$.log_url', '') || ' ' || coalesce(s.record->>'$.target_url', ''), '/actions/runs/(\d+)', 1)
     and r.repository = d.item and r.head_sha = (d.record->>'$.sha')
    where d.stream = 'deployments'
    group by all
),
gate as (select e.*, list_filter(e.t.protection_rules, lambda x: x.type = 'required_reviewers')[1] as rule from environment e)
select
    g.record_id, g.repository || '/' || u.workflow as pipeline, max(make_utc(g.t.updated_at)) over (partition by g.repository, u.workflow) as changed_at, g.t.name as stage,
    u.trigger,
    -- of the reviewers that are listed one is enough
    case when g.rule is null then 0 else 1 end as approvals_required,
    coalesce([coalesce(x.reviewer.login, 'team:' || x.reviewer.slug) for x in g.rule.reviewers], []) as approvers,
    case when g.rule is null then null else not coalesce(g.rule.prevent_self_review, false) end as requester_can_approve,
    g.t.can_admins_bypass as can_bypass
from gate g
join used u on u.repository = g.repository and u.environment = lower(g.t.name);

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
    qualify row_number() over (partition by e.record_id order by telling(k.action)) = 1
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
left join (select record->>'$.id' as run_id, max(make_utc(record->>'$.updated_at')) as told_at from raw where stream = 'runs' group by all) r on r.run_id = regexp_extract(d.item, '/runs/(\d+)', 1)
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
