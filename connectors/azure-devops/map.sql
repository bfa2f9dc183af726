-- What Azure DevOps' releases, runs, reviews and audit entries mean.
--
-- A classic deployment's `startedOn` is when it was asked for, before its approvals: what it did began after the last of
-- them. `0001-01-01` stands for no time. The approvals in the feed are those of the release's own snapshot; of several
-- attempts each has its own. A stage of a YAML pipeline is a record of the run's timeline, its gate a checkpoint below it.

-- emits: deployment
with
classic as (
    select record_id, from_json(record, '{
        "id": "VARCHAR", "attempt": "BIGINT", "reason": "VARCHAR", "deploymentStatus": "VARCHAR", "operationStatus": "VARCHAR",
        "release": {"id": "VARCHAR", "name": "VARCHAR", "description": "VARCHAR", "webAccessUri": "VARCHAR",
                    "artifacts": [{"isPrimary": "BOOLEAN", "type": "VARCHAR", "definitionReference": {"version": {"id": "VARCHAR", "name": "VARCHAR"}}}]},
        "releaseDefinition": {"name": "VARCHAR"}, "releaseEnvironment": {"id": "VARCHAR", "name": "VARCHAR"},
        "requestedBy": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}, "requestedFor": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"},
        "startedOn": "VARCHAR", "completedOn": "VARCHAR", "lastModifiedOn": "VARCHAR", "scheduledDeploymentTime": "VARCHAR",
        "preDeployApprovals": [{"status": "VARCHAR", "isAutomated": "BOOLEAN", "attempt": "BIGINT", "modifiedOn": "VARCHAR", "comments": "VARCHAR",
            "approver": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}, "approvedBy": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}}],
        "postDeployApprovals": [{"status": "VARCHAR", "isAutomated": "BOOLEAN", "attempt": "BIGINT", "modifiedOn": "VARCHAR", "comments": "VARCHAR",
            "approver": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}, "approvedBy": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}}]
    }') as t
    from raw
    where stream = 'deployments'
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.lastModifiedOn') desc, position desc) = 1
),
decided as (
    select
        record_id, t, lower(t.operationStatus) as operation, lower(t.deploymentStatus) as status,
        list_filter(t.preDeployApprovals, lambda a: coalesce(a.attempt, t.attempt) = t.attempt) as before,
        list_filter(t.postDeployApprovals, lambda a: coalesce(a.attempt, t.attempt) = t.attempt) as after
    from classic
),
passed as (
    select
        *,
        list_max([make_utc(a.modifiedOn) for a in before if not a.isAutomated and lower(a.status) in ('approved', 'skipped') and a.modifiedOn not like '0001%']) as passed_at,
        -- what was deployed, or was on the way; `inProgress` is also what waits for its first approvals
        status in ('succeeded', 'partiallysucceeded') or operation like 'phase%' or operation in ('queuedforagent', 'manualinterventionpending')
            or passed_at is not null and (status = 'failed' or (status = 'inprogress' and (operation <> 'pending' or len(after) > 0))) as went_on
    from decided
),
held as (
    -- nothing ran while a decision was outstanding, nor after a refusal, nor before the time for which it was put off
    select
        *,
        list_contains([lower(a.status) for a in before], 'rejected')
            -- where one of several is enough, the others stay unanswered
            or (list_has_any([lower(a.status) for a in before], ['pending', 'canceled']) and not went_on)
            or (status = 'notdeployed' and operation in ('deferred', 'scheduled')) as never_passed,
        case when t.scheduledDeploymentTime not like '0001%' and make_utc(t.scheduledDeploymentTime) <= coalesce(case when t.completedOn not like '0001%' then make_utc(t.completedOn) end, make_utc(t.lastModifiedOn))
             then make_utc(t.scheduledDeploymentTime) end as put_off_to
    from passed
),
run as (
    select record_id, from_json(record, '{
        "id": "VARCHAR", "buildNumber": "VARCHAR", "reason": "VARCHAR", "status": "VARCHAR", "result": "VARCHAR", "sourceVersion": "VARCHAR", "url": "VARCHAR",
        "definition": {"name": "VARCHAR"}, "project": {"name": "VARCHAR"}, "tags": ["VARCHAR"], "triggerInfo": {"ci.message": "VARCHAR"},
        "requestedFor": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}, "_links": {"web": {"href": "VARCHAR"}}
    }') as t
    from raw
    where stream in ('builds', 'active') and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by stream = 'builds' desc, make_utc(record->>'$.finishTime') desc, occurred_at desc, position desc, record_id desc) = 1
),
-- a timeline is told as often as it was read, and a stage that was run again has earlier timelines
earlier as (
    select distinct item as build_id, unnest(json_extract_string(record, '$.records[*].previousAttempts[*].timelineId')) as timeline_id
    from raw where stream in ('timelines', 'active_timelines')
),
reading as (
    select record_id as reading, item as build_id, record from raw where stream in ('timelines', 'active_timelines')
    union all
    select r.record_id, e.build_id, r.record from raw r join earlier e on e.timeline_id = r.item where r.stream in ('attempts', 'active_attempts')
),
node as (
    select reading, build_id, (record->>'$.changeId')::bigint as change_id,
           unnest(from_json(json_extract(record, '$.records'), '[{"id": "VARCHAR", "parentId": "VARCHAR", "type": "VARCHAR", "name": "VARCHAR", "identifier": "VARCHAR",
        "state": "VARCHAR", "result": "VARCHAR", "attempt": "BIGINT", "startTime": "VARCHAR", "finishTime": "VARCHAR"}]'), recursive := true)
    from reading
),
-- Each attempt at a stage, as it was last seen: done, if it ever was. The identifier is the stage's own; the name that is
-- shown, several stages of a run may share. The one stage of a run without stages is `__default`.
stage as (
    select *, coalesce(nullif(identifier, ''), name) as ref from node where type = 'Stage'
    qualify row_number() over (partition by build_id, ref, attempt order by result is not null desc, change_id desc nulls last, reading desc) = 1
),
-- Jobs of a stage, in whose time it really did something. Where only failed jobs were run again, the others stand in the
-- later attempt as they were: what began before the attempt did is none of it.
work as (
    select s.reading, s.id as stage_id, min(make_utc(j.startTime)) as started_at
    from stage s
    join node p on p.reading = s.reading and p.parentId = s.id and p.type = 'Phase'
    join node j on j.reading = s.reading and j.parentId = p.id and j.type = 'Job'
    where coalesce(make_utc(j.startTime) >= make_utc(s.startTime), true)
    group by all
),
-- The list of approvals has the latest thousand: until when it is known to have been read, and which of them it lacked by then.
listed as (
    select max(occurred_at) filter (where deleted) as gone_at, max(greatest(seen_at, case when deleted then occurred_at end)) as read_at,
           coalesce(record->>'$.object', record->>'$.id') as id
    from raw where stream = 'decisions' group by id
),
decision as (
    select record_id, max(l.read_at) over () as list_read_at, coalesce(l.gone_at > r.seen_at, false) as gone,
           from_json(record, '{"id": "VARCHAR", "status": "VARCHAR", "lastModifiedOn": "VARCHAR",
        "steps": [{"status": "VARCHAR", "comment": "VARCHAR", "lastModifiedOn": "VARCHAR", "actualApprover": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"},
                   "assignedApprover": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}}]}') as t
    from raw r
    left join listed l on l.id = (r.record->>'$.id')
    where stream = 'decisions' and not deleted
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.lastModifiedOn') desc, position desc) = 1
),
gate as (
    -- Each approval check of a stage; who gave it is known where the list of approvals still has it. One that nobody had answered
    -- when it was last seen was open while the stage ran only if the list still had it after the stage had begun.
    select
        s.reading, s.id as stage_id, count(*) as gates,
        count(d.record_id) filter (where not (answer_to_come and (d.gone or coalesce(d.list_read_at < w.started_at, false)))) as known,
        bool_or(lower(d.t.status) <> 'approved' and not (answer_to_come and (d.gone or coalesce(d.list_read_at < w.started_at, false)))) as open,
        flatten(list([{
            'phase': 'pre', 'decision': lower(x.status),
            'approver': case when lower(x.status) = 'approved' then coalesce(x.actualApprover.uniqueName, x.actualApprover.displayName)
                             else coalesce(x.actualApprover.uniqueName, x.assignedApprover.uniqueName, x.assignedApprover.displayName) end,
            'decided_at': make_utc(x.lastModifiedOn), 'automated': false, 'gated': true, 'comment': x.comment
        } for x in d.t.steps]) filter (where d.t.steps is not null)) as approvals
    from stage s
    join node c on c.reading = s.reading and c.parentId = s.id and c.type = 'Checkpoint'
    join node a on a.reading = s.reading and a.parentId = c.id and a.type = 'Checkpoint.Approval'
    left join work w on w.reading = s.reading and w.stage_id = s.id
    left join decision d on d.t.id in (a.id, a.identifier),
    lateral (select coalesce(decision_of(d.t.status), 'pending') = 'pending' as answer_to_come) said
    group by s.reading, s.id
),
-- which cloud identity a run used, and when
used as (
    select
        x.t.data.planType as plan, x.t.data.owner.id as owner, make_utc(x.t.data.startTime) as used_at,
        c.record->>'$.authorization.parameters.serviceprincipalid' as app_id,
        c.record->>'$.authorization.parameters.workloadIdentityFederationSubject' as subject
    from (
        select item, from_json(record, '{"endpointId": "VARCHAR", "data": {"planType": "VARCHAR", "owner": {"id": "VARCHAR"}, "startTime": "VARCHAR"}}') as t
        from raw where stream = 'executions'
    ) x
    join (
        select * from raw where stream = 'connections' and not deleted
        qualify row_number() over (partition by (record->>'$.id') order by occurred_at desc nulls last, record_id desc) = 1
    ) c on (c.record->>'$.id') = coalesce(x.t.endpointId, x.item)
),
wrote as (
    select record->>'$.lastMergeCommit.commitId' as commit_sha, list(distinct record->>'$.createdBy.uniqueName') as authors
    from raw where stream = 'pull_requests' group by all
),
every as (
    select
        h.record_id,
        concat_ws(':', 'ado', h.t.releaseDefinition.name, h.t.release.id, h.t.releaseEnvironment.name, h.t.attempt) as deployment_id,
        h.t.releaseDefinition.name || '/' || h.t.release.id as release_id,
        h.t.releaseDefinition.name as pipeline, h.t.release.name as version, b.t.sourceVersion as commit_sha, h.t.releaseEnvironment.name as stage,
        case h.t.reason when 'manual' then 'manual' when 'automated' then 'automatic' when 'scheduled' then 'scheduled' when 'redeployTrigger' then 'rollback' end as trigger,
        -- of what a schedule started nobody asked for
        case when h.t.reason = 'scheduled' then null
             else coalesce(h.t.requestedFor.uniqueName, h.t.requestedFor.displayName, h.t.requestedBy.uniqueName, h.t.requestedBy.displayName) end as requested_by,
        case when not never_passed and h.t.startedOn not like '0001%' then greatest(make_utc(h.t.startedOn), passed_at, put_off_to) end as started_at,
        case
            when status in ('inprogress', 'undefined') or (status = 'notdeployed' and operation in ('queued', 'pending', 'scheduled', 'deferred', 'queuedforagent',
                'queuedforpipeline', 'phaseinprogress', 'manualinterventionpending', 'evaluatinggates', 'approved')) then null
            when h.t.completedOn not like '0001%' then make_utc(h.t.completedOn)
            else make_utc(h.t.lastModifiedOn)
        end as finished_at,
        case
            -- what is refused after it was deployed has run, and is no success
            when operation in ('rejected', 'gatefailed') then case
                when not never_passed and (status in ('succeeded', 'partiallysucceeded', 'failed') or list_contains([lower(a.status) for a in after], 'rejected')) then 'failed'
                else 'rejected'
            end
            when operation in ('canceled', 'cancelled') then 'cancelled'
            when status = 'succeeded' then 'succeeded'
            when status = 'partiallysucceeded' then 'partial'
            when status = 'failed' or operation in ('phasefailed', 'phasecanceled') then 'failed'
            else 'running'
        end as outcome,
        false as bypassed,
        list_concat(
            [{'phase': 'pre', 'decision': lower(a.status),
              'approver': case when a.isAutomated then null when lower(a.status) = 'approved' then coalesce(a.approvedBy.uniqueName, a.approvedBy.displayName)
                               else coalesce(a.approvedBy.uniqueName, a.approver.uniqueName, a.approver.displayName) end,
              'decided_at': case when a.modifiedOn not like '0001%' then make_utc(a.modifiedOn) end, 'automated': a.isAutomated, 'gated': not a.isAutomated, 'comment': a.comments} for a in before],
            [{'phase': 'post', 'decision': lower(a.status),
              'approver': case when a.isAutomated then null else coalesce(a.approvedBy.uniqueName, a.approver.uniqueName, a.approver.displayName) end,
              'decided_at': case when a.modifiedOn not like '0001%' then make_utc(a.modifiedOn) end, 'automated': a.isAutomated, 'gated': false, 'comment': a.comments} for a in after]
        ) as approvals,
        []::varchar[] as run_ids,
        ['ado-rel-' || h.t.release.id || '-' || h.t.releaseEnvironment.id, 'ado-rel-' || h.t.release.id || '-' || h.t.releaseEnvironment.name] as session_names,
        []::varchar[] as correlation_ids,
        'Release' as plan, h.t.release.id as owner,
        tickets_in(concat_ws(' ', h.t.release.name, h.t.release.description)) as tickets,
        h.t.release.webAccessUri as url
    from held h
    left join run b on b.t.id = list_filter(h.t.release.artifacts, lambda a: coalesce(a.isPrimary, true) and a.type = 'Build')[1].definitionReference.version.id
    union all
    select
        b.record_id,
        concat_ws(':', 'ado', t.definition.name, t.id, coalesce(nullif(s.ref, '__default'), 'build'), s.attempt),
        t.definition.name || '/' || t.id, t.definition.name, t.buildNumber, t.sourceVersion,
        coalesce(nullif(s.name, '__default'), 'build'),
        case when t.reason in ('manual', 'userCreated') then 'manual' when t.reason = 'schedule' then 'scheduled' when t.reason <> 'none' then 'automatic' end,
        case when t.reason = 'schedule' then null else coalesce(t.requestedFor.uniqueName, t.requestedFor.displayName) end,
        coalesce(w.started_at, case when g.gates is null then make_utc(s.startTime) end),
        make_utc(s.finishTime),
        case
            when s.result in ('succeeded', 'succeededWithIssues') then 'succeeded'
            when list_has_any([a.decision for a in g.approvals], ['rejected', 'timedout']) and w.started_at is null then 'rejected'
            when s.result in ('canceled', 'abandoned') then 'cancelled'
            when s.result = 'failed' then 'failed'
            else 'running'
        end,
        -- the jobs ran although the check was never passed
        coalesce(g.open and w.started_at is not null, false),
        case when g.gates is null then [] when g.known = g.gates then coalesce(g.approvals, []) end,
        [t.id],
        list_sort(list_distinct(['ado-' || t.id, 'ado-' || t.id || '-' || s.ref, 'ado-' || t.id || '-' || s.name])),
        [uuid_of('azure-devops/' || split_part(t.url, '/', 4) || '/' || t.project.name || '/' || t.id)],
        'Build', t.id,
        tickets_in(concat_ws(' ', array_to_string(t.tags, ' '), t.triggerInfo."ci.message")),
        t._links.web.href
    from run b
    join stage s on s.build_id = t.id and coalesce(s.result, '') <> 'skipped'
    left join work w on w.reading = s.reading and w.stage_id = s.id
    left join gate g on g.reading = s.reading and g.stage_id = s.id
    -- a run that is going on names the stages too that it has not come to
    where s.result is not null or s.startTime is not null or g.gates is not null
)
select
    e.* exclude (plan, owner),
    (
        select coalesce(list(distinct u.app_id) filter (where u.app_id is not null), []) from used u
        where u.plan = e.plan and u.owner = e.owner and (e.plan = 'Build' or u.used_at between e.started_at - interval 10 minutes and coalesce(e.finished_at, e.started_at + interval 1 day) + interval 10 minutes)
    ) as app_ids,
    (
        select coalesce(list(distinct u.subject) filter (where u.subject is not null), []) from used u
        where u.plan = e.plan and u.owner = e.owner and (e.plan = 'Build' or u.used_at between e.started_at - interval 10 minutes and coalesce(e.finished_at, e.started_at + interval 1 day) + interval 10 minutes)
    ) as subjects,
    w.authors
from every e
left join wrote w on w.commit_sha = e.commit_sha;

-- emits: approval
with
request as (
    select record->>'$.lastMergeCommit.commitId' as commit_sha, record->>'$.url' as url
    from raw where stream = 'pull_requests'
    qualify row_number() over (partition by (record->>'$.pullRequestId') order by occurred_at desc, record_id desc) = 1
),
thread as (
    select record_id, item, make_utc(record->>'$.publishedDate') as told_at,
           record->>'$.properties.CodeReviewThreadType."$value"' as kind,
           try_cast(record->>'$.properties.CodeReviewVoteResult."$value"' as bigint) as vote,
           record->>'$.properties.CodeReviewRefNewHeadCommit."$value"' as head,
           coalesce(
               json_extract_string(record, '/identities/' || coalesce(record->>'$.properties.CodeReviewVotedByIdentity."$value"', '?') || '/uniqueName'),
               record->>'$.comments[0].author.uniqueName', record->>'$.properties.CodeReviewVotedByDisplayName."$value"'
           ) as voter
    from raw where stream = 'votes'
),
-- a vote holds until the same person's next one
voted as (
    select *, lead(told_at) over (partition by item, lower(voter) order by told_at, record_id) as valid_to from thread where kind = 'VoteUpdate'
)
select
    v.record_id, r.commit_sha, 'review' as phase,
    -- 10 approved, 5 approved with suggestions, 0 taken back, -5 waits for the author, -10 rejected
    case when v.vote >= 5 then 'approved' when v.vote = -10 then 'rejected' when v.vote = -5 then 'pending' else 'withdrawn' end as decision,
    v.voter as approver, v.told_at as decided_at, false as automated, false as gated,
    -- what was pushed after the vote, the voter has not seen
    case when exists (from thread p where p.item = v.item and p.kind = 'RefUpdate' and p.told_at > v.told_at)
         then coalesce((select arg_max(p.head, (p.told_at, p.head)) from thread p where p.item = v.item and p.kind = 'RefUpdate' and p.told_at <= v.told_at), 'an earlier commit')
         else r.commit_sha end as for_commit,
    v.valid_to
from voted v
join request r on r.url = v.item
where r.commit_sha is not null;

-- emits: pipeline_stage
with
definition as (
    select record_id, from_json(record, '{
        "name": "VARCHAR", "revision": "VARCHAR", "modifiedOn": "VARCHAR", "modifiedBy": {"uniqueName": "VARCHAR"},
        "environments": [{"name": "VARCHAR", "rank": "BIGINT", "conditions": [{"conditionType": "VARCHAR", "name": "VARCHAR"}], "schedules": ["JSON"],
            "preDeployApprovals": {"approvals": [{"isAutomated": "BOOLEAN", "approver": {"uniqueName": "VARCHAR", "displayName": "VARCHAR"}}],
                                   "approvalOptions": {"requiredApproverCount": "BIGINT", "releaseCreatorCanBeApprover": "BOOLEAN"}}}]
    }') as t
    from raw where stream = 'definitions' and not deleted
),
stage as (select record_id, t, unnest(t.environments) as s from definition),
human as (
    select *, list_filter(s.preDeployApprovals.approvals, lambda a: not coalesce(a.isAutomated, false)) as people from stage
),
check_now as (
    select *, coalesce(not deleted and not coalesce((record->>'$.isDisabled')::boolean, false), false) as asks
    from raw
    where stream = 'checks'
    qualify row_number() over (partition by item, coalesce(record->>'$.object', record->>'$.id') order by occurred_at desc nulls last, deleted desc) = 1
        and (case when deleted then previous else record end->>'$.type.name') = 'Approval'
),
checked as (
    select item as environment_id, max(record_id) as record_id,
           list(distinct p.name) as approvers, max(required) as approvals_required, bool_or(can) as requester_can_approve,
           max(modified_by) as changed_by, max(make_utc(modified_on)) as changed_at
    from (
        select item, record_id, record->>'$.modifiedBy.uniqueName' as modified_by, record->>'$.modifiedOn' as modified_on,
               not coalesce((record->>'$.settings.requesterCannotBeApprover')::boolean, false) as can,
               -- none named means all of them
               coalesce(nullif((record->>'$.settings.minRequiredApprovers')::bigint, 0), json_array_length(record, '$.settings.approvers')::bigint) as required,
               unnest(from_json(json_extract(record, '$.settings.approvers'), '[{"uniqueName": "VARCHAR", "displayName": "VARCHAR"}]')) as a
        from check_now
        where asks
    ), lateral (select coalesce(a.uniqueName, a.displayName) as name) p
    group by item
),
-- an environment that asked once and asks no more
gone as (
    select item as environment_id, max(case when deleted then seen_at else occurred_at end) as gone_at from check_now where not asks group by item
),
-- A check may hang on whatever else the stage uses, a service connection or a group of variables: that somebody was asked, the
-- timeline of a run tells.
node as (
    select item as build_id, unnest(from_json(json_extract(record, '$.records'), '[{"id": "VARCHAR", "parentId": "VARCHAR", "type": "VARCHAR", "name": "VARCHAR", "identifier": "VARCHAR"}]'), recursive := true)
    from raw where stream in ('timelines', 'active_timelines')
),
asked as (
    select s.build_id, s.name, s.identifier, bool_or(a.id is not null) as is_asked
    from node s
    left join node c on c.build_id = s.build_id and c.parentId = s.id and c.type = 'Checkpoint'
    left join node a on a.build_id = c.build_id and a.parentId = c.id and a.type = 'Checkpoint.Approval'
    where s.type = 'Stage'
    group by all
),
-- what started each run
started as (
    select (record->>'$.id') as build_id, any_value(record->>'$.reason') as reason
    from raw where stream in ('builds', 'active') and not deleted group by all
),
ran as (
    select r.*, s.is_asked, case when b.reason in ('manual', 'userCreated') then 'manual' when b.reason = 'schedule' then 'scheduled' when b.reason <> 'none' then 'automatic' end as trigger
    from (
        select record_id, record->>'$.definition.name' as pipeline, record->>'$.stageName' as stage, item as environment_id, record->>'$.owner.id' as build_id,
               make_utc(record->>'$.startTime') as started_at
        from raw where stream = 'environment_runs'
    ) r
    left join asked s on s.build_id = r.build_id and r.stage in (s.name, s.identifier)
    left join started b on b.build_id = r.build_id
),
-- how many are asked at least, by the last run of which that is known, since the environment asks no more; null where nothing tells
used as (
    select pipeline, stage, environment_id, max(record_id) as record_id, trigger_of_runs(list({'trigger': trigger, 'began_at': started_at}), null::timestamp) as trigger,
           coalesce(
               arg_max(is_asked::bigint, started_at) filter (where is_asked is not null and coalesce(started_at > gone_at, true)),
               case when bool_or(gone_at is not null) then 0 end
           ) as at_least
    from ran
    left join gone using (environment_id)
    group by all
)
select
    record_id, t.name as pipeline, t.revision, t.modifiedBy.uniqueName as changed_by, make_utc(t.modifiedOn) as changed_at,
    s.name as stage, s.rank as stage_order,
    case when len(s.schedules) > 0 then 'scheduled'
         when len(list_filter(s.conditions, lambda c: c.conditionType in ('event', 'environmentState', 'artifact'))) > 0 then 'automatic'
         else 'manual' end as trigger,
    -- zero means all of them
    case when len(people) = 0 then 0 else coalesce(nullif(s.preDeployApprovals.approvalOptions.requiredApproverCount, 0), len(people)) end as approvals_required,
    [coalesce(a.approver.uniqueName, a.approver.displayName) for a in people] as approvers,
    s.preDeployApprovals.approvalOptions.releaseCreatorCanBeApprover as requester_can_approve
from human
union all by name
select
    coalesce(c.record_id, r.record_id) as record_id, r.pipeline, r.stage, r.trigger, c.changed_by, max(c.changed_at) over (partition by r.pipeline) as changed_at,
    coalesce(c.approvals_required, r.at_least) as approvals_required, coalesce(c.approvers, []) as approvers,
    coalesce(c.requester_can_approve, case when r.at_least = 0 then false end) as requester_can_approve
from used r
left join checked c using (environment_id);

-- emits: change
with
entry as (
    select
        record_id, occurred_at,
        record->>'$.actionId' as action,
        coalesce(nullif(record->>'$.actorUPN', ''), nullif(record->>'$.actorClientId', '00000000-0000-0000-0000-000000000000'), record->>'$.actorDisplayName') as actor_name,
        case when coalesce(record->>'$.actorClientId', '00000000-0000-0000-0000-000000000000') <> '00000000-0000-0000-0000-000000000000' then 'application'
             when nullif(record->>'$.actorUPN', '') is null then 'service' else 'person' end as actor_type,
        record->>'$.userAgent' as user_agent,
        coalesce(record->>'$.projectName', record->>'$.scopeType') as account,
        coalesce(record->>'$.data.PipelineName', record->>'$.data.CheckId', record->>'$.data.ResourceName', record->>'$.area') as object,
        record->>'$.details' as details
    from raw where stream = 'audit'
),
classed as (
    select
        e.*,
        -- What was queued is told again when it is done: two records of one change. Where the end does not name whoever asked for
        -- it, or there is none, the beginning is what accuses.
        case when e.action like 'Project.%Queued' and exists (
            from entry d
            where d.action in (replace(e.action, 'Queued', 'Completed'), replace(e.action, 'Queued', 'Failed')) and d.actor_name = e.actor_name
              and d.occurred_at between e.occurred_at and e.occurred_at + interval 1 day
        ) then 'evidence' else coalesce(k.category, 'change') end as category,
        case when regexp_matches(e.action, '^Project\..*Failed$|^Pipelines\.ResourceNotAuthorizedFor') then 'failed' else 'succeeded' end as outcome,
        coalesce(k.operation, 'other') as operation, k.action as classed_by
    from entry e
    left join action_class k on e.action glob k.action
    qualify row_number() over (partition by e.record_id order by telling(k.action)) = 1
),
-- definitions: a gate that differs from the revision before is a change, everything else the team's own business
defined as (
    select
        record_id, occurred_at, first, deleted,
        case when deleted then previous else record end as body,
        json_extract(record, '$.environments[*].preDeployApprovals')::varchar as gates,
        json_extract(previous, '$.environments[*].preDeployApprovals')::varchar as gates_before
    from raw where stream = 'definitions'
),
-- what pipelines reach the clouds with
connection as (
    select record_id, occurred_at, first, deleted, previous, case when deleted then previous else record end as body,
           exists (from raw a where a.stream = 'audit') as audited
    from raw where stream = 'connections'
),
checks as (
    select record_id, occurred_at, first, deleted, previous, case when deleted then previous else record end as body, item,
           exists (from raw a where a.stream = 'audit') as audited
    from raw where stream = 'checks'
)
select record_id, occurred_at, action, category, outcome, operation, actor_type, actor_name, 'api' as channel, user_agent, account,
       'azure-devops:' || split_part(action, '.', 1) || '/' || object as resource, split_part(action, '.', 1) || '/' || object as object,
       null::varchar as diffs, classed_by
from classed
union all by name
select record_id, coalesce(occurred_at, make_utc(body->>'$.modifiedOn')) as occurred_at,
       case when deleted then 'ReleasePipeline.Deleted' when first or gates_before is null then 'ReleasePipeline.Seen' when gates <> gates_before then 'ReleasePipeline.GateModified' else 'ReleasePipeline.Modified' end as action,
       case when deleted or (not first and gates <> gates_before) then 'change' when first then 'evidence' else 'release-control' end as category,
       case when deleted then 'delete' when gates <> gates_before then 'permission' else 'update' end as operation,
       case when deleted then 'unknown' else 'person' end as actor_type,
       case when not deleted then body->>'$.modifiedBy.uniqueName' end as actor_name,
       'azure-devops:release-definition/' || (body->>'$.name') as resource, 'release-definition/' || (body->>'$.name') as object,
       case when not deleted and gates <> gates_before then json_array(json_object('field', 'preDeployApprovals', 'old', gates_before, 'new', gates))::varchar end as diffs
from defined
union all by name
-- a check that went away is told by the audit log where that is read, with who did it
select record_id, coalesce(occurred_at, make_utc(body->>'$.modifiedOn')) as occurred_at,
       case when deleted then 'Check.Deleted' when first then 'Check.Seen' when previous is null then 'Check.Created' else 'Check.Updated' end as action,
       case when first or (deleted and audited) then 'evidence' else 'change' end as category,
       case when deleted then 'delete' else 'permission' end as operation,
       case when deleted then 'unknown' else 'person' end as actor_type,
       case when not deleted then coalesce(body->>'$.modifiedBy.uniqueName', body->>'$.createdBy.uniqueName') end as actor_name,
       'azure-devops:check/' || (body->>'$.id') as resource, 'check/' || (body->>'$.id') as object,
       case when previous is not null and not deleted then json_array(json_object('field', 'settings', 'old', previous->>'$.settings', 'new', body->>'$.settings'))::varchar end as diffs
from checks
union all by name
select record_id, occurred_at,
       'ServiceConnection.' || case when deleted then 'Deleted' when first then 'Seen' when previous is null then 'Created' else 'Updated' end as action,
       case when first or audited then 'evidence' else 'change' end as category, case when deleted then 'delete' else 'permission' end as operation, 'unknown' as actor_type,
       'azure-devops:service-connection/' || (body->>'$.name') as resource, 'service-connection/' || (body->>'$.name') as object,
       case when previous is not null and not deleted then diffs_text(object_diffs(previous::json, body::json)) end as diffs
from connection
union all by name
-- a timeline says of itself at most when it was last changed
select record_id, coalesce(occurred_at, make_utc(record->>'$.lastChangedOn'), make_utc(list_max(record->>'$.records[*].finishTime')), make_utc(list_max(record->>'$.records[*].startTime'))) as occurred_at,
       case stream when 'builds' then 'run' when 'active' then 'run' when 'pull_requests' then 'pull-request' when 'votes' then 'review' when 'executions' then 'connection-used'
                   when 'decisions' then 'approval' when 'deployments' then stream when 'environment_runs' then stream else 'timeline' end as action,
       case when stream in ('builds', 'deployments') or (stream = 'active' and not deleted) then 'release-control' else 'evidence' end as category, 'other' as operation,
       coalesce(record->>'$.requestedFor.uniqueName', record->>'$.createdBy.uniqueName') as actor_name,
       'azure-devops:' || stream || '/' || coalesce(record->>'$.id', record->>'$.pullRequestId', record->>'$.data.id', record->>'$.object', '') as resource
from raw
where (stream in ('deployments', 'builds', 'pull_requests', 'votes', 'executions', 'decisions', 'environment_runs', 'active') and occurred_at is not null or stream in ('timelines', 'attempts', 'active_timelines', 'active_attempts'));
