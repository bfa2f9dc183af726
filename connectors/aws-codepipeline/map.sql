-- What the executions, actions and definitions of CodePipeline mean.
--
-- One execution goes through all stages, so it is a release, and each stage in which it changes something is a deployment:
-- from the first action that does, which is after the stage's gate. Approvals change nothing, nor does what only creates a
-- change set. A stage is held by the approvals before that action, and by those after the last one of the stage before,
-- which may be stages of their own: CodePipeline begins a stage when all of the one before is done. A stage that is retried runs again under the same execution: its second attempt begins with the first action
-- that runs a second time. Whoever answered an approval is its action's `updatedBy`: an ARN, of which a name is taken only
-- where a provider vouches for it (IAM Identity Center, an IAM user); the name of any other session was chosen by its caller.

-- emits: deployment
with
execution as (
    select record_id, item as pipeline, from_json(record, '{"pipelineExecutionId": "VARCHAR", "status": "VARCHAR", "executionType": "VARCHAR",
        "sourceRevisions": [{"actionName": "VARCHAR", "revisionId": "VARCHAR", "revisionSummary": "VARCHAR"}],
        "trigger": {"triggerType": "VARCHAR", "triggerDetail": "VARCHAR"}, "rollbackMetadata": {"rollbackTargetPipelineExecutionId": "VARCHAR"}}') as t
    from raw where stream = 'executions'
    qualify row_number() over (partition by (record->>'$.pipelineExecutionId') order by (record->>'$.lastUpdateTime')::double desc, position) = 1
),
action as (
    select record_id, make_timestamp((t.startTime * 1e6)::bigint) as started_at, make_timestamp((t.lastUpdateTime * 1e6)::bigint) as updated_at,
           case
               when t.input.actionTypeId.category = 'Approval' then 'approval'
               when coalesce(t.input.resolvedConfiguration.ActionMode, t.input.configuration.ActionMode) = 'CHANGE_SET_REPLACE' then 'preparation'
               else 'work'
           end as kind, t
    from (
        select record_id, from_json(record, '{"pipelineExecutionId": "VARCHAR", "actionExecutionId": "VARCHAR", "pipelineVersion": "BIGINT", "stageName": "VARCHAR", "actionName": "VARCHAR",
            "startTime": "DOUBLE", "lastUpdateTime": "DOUBLE", "updatedBy": "VARCHAR", "status": "VARCHAR",
            "input": {"actionTypeId": {"category": "VARCHAR", "provider": "VARCHAR"}, "roleArn": "VARCHAR", "configuration": {"ActionMode": "VARCHAR"}, "resolvedConfiguration": {"ActionMode": "VARCHAR"}},
            "output": {"executionResult": {"externalExecutionId": "VARCHAR", "externalExecutionSummary": "VARCHAR", "externalExecutionUrl": "VARCHAR"}}}') as t
        from raw where stream = 'actions'
    )
    qualify row_number() over (partition by t.actionExecutionId order by t.lastUpdateTime desc, record_id desc) = 1
),
definition as (
    -- one that was deleted and made again begins with version 1 anew
    select record->>'$.pipeline.name' as pipeline, coalesce((record->>'$.metadata.created')::double, 0) as created, (record->>'$.pipeline.version')::bigint as revision,
           record->>'$.pipeline.roleArn' as role, occurred_at,
           from_json(json_extract(record, '$.pipeline.stages'), '[{"name": "VARCHAR", "actions": [{"name": "VARCHAR", "runOrder": "BIGINT", "actionTypeId": {"category": "VARCHAR"}, "configuration": {"ActionMode": "VARCHAR"}}]}]') as stages
    from raw where stream = 'definitions' and not deleted
),
stage as (
    select pipeline, created, revision, s.name as stage, stage_order, s.actions as actions,
           list_max([coalesce(a.runOrder, 1) for a in s.actions if a.actionTypeId.category not in ('Source', 'Approval') and a.configuration.ActionMode is distinct from 'CHANGE_SET_REPLACE']) as last_work
    from (select pipeline, created, revision, unnest(stages) as s, generate_subscripts(stages, 1) as stage_order from definition)
),
-- which stage each action is part of, or holds
target as (
    select g.pipeline, g.created, g.revision, g.stage, g.a.name as action, g.a.actionTypeId.category = 'Approval' as approves, coalesce(arg_min(w.stage, w.stage_order), g.stage) as target
    from (select *, unnest(actions) as a from stage) g
    left join stage w on w.pipeline = g.pipeline and w.created = g.created and w.revision = g.revision and w.last_work is not null
        and case when g.last_work is null or (g.a.actionTypeId.category = 'Approval' and coalesce(g.a.runOrder, 1) >= g.last_work) then w.stage_order > g.stage_order else w.stage = g.stage end
    group by g.pipeline, g.created, g.revision, g.stage, g.a.name, g.a.actionTypeId.category = 'Approval'
),
-- as the pipeline was defined when the action ran; else by the nearest definition that has the action, or the stage
placed as (
    select a.*, e.pipeline, coalesce(g.target, a.t.stageName) as stage
    from action a
    join execution e on e.t.pipelineExecutionId = a.t.pipelineExecutionId
    left join target g on g.pipeline = e.pipeline and g.stage = a.t.stageName
    where a.t.input.actionTypeId.category <> 'Source'
    qualify row_number() over (partition by a.record_id order by
        g.created <= a.t.startTime desc, case when g.created <= a.t.startTime then -g.created else g.created end,
        g.action = a.t.actionName desc, g.approves = (a.kind = 'approval') desc, abs(g.revision - a.t.pipelineVersion), g.revision desc) = 1
),
turned as (
    select *, row_number() over (partition by t.pipelineExecutionId, t.stageName, t.actionName order by started_at, record_id) as turn from placed
),
again as (
    select t.pipelineExecutionId as execution, stage, turn, min(started_at) as began_at from turned where turn > 1 group by all
),
numbered as (
    select p.*, 1 + (select count(*) from again r where r.execution = p.t.pipelineExecutionId and r.stage = p.stage and r.began_at <= p.started_at) as attempt
    from turned p
),
-- a name where a provider vouches for it
person as (
    select distinct arn, coalesce(
        nullif(regexp_extract(arn, '^arn:[^:]*:sts::\d+:assumed-role/AWSReservedSSO_[^/]+/(.+)$', 1), ''),
        nullif(regexp_extract(arn, '^arn:[^:]*:iam::\d+:user/(?:.*/)?([^/]+)$', 1), ''),
        arn) as name
    from (select t.updatedBy as arn from action union select t.trigger.triggerDetail from execution)
    where arn is not null
),
attempt as (
    select t.pipelineExecutionId as execution, pipeline, stage, attempt,
           arg_max(record_id, (updated_at, record_id)) filter (where updated_at is not null) as record_id,
           min(started_at) filter (where kind = 'work') as started_at,
           coalesce(max(updated_at) filter (where kind = 'work'), max(updated_at)) as ended_at, max(updated_at) as moved_at,
           list(t.status) filter (where kind = 'work') as did,
           bool_or(kind = 'approval' and t.status = 'Failed') as refused,
           list(distinct t.input.roleArn) filter (where t.input.roleArn is not null) as roles,
           list(distinct regexp_extract(t.output.executionResult.externalExecutionId, '[^:]+$') order by regexp_extract(t.output.executionResult.externalExecutionId, '[^:]+$'))
               filter (where t.input.actionTypeId.provider = 'CodeBuild' and t.output.executionResult.externalExecutionId is not null) as builds
    from numbered
    group by all
),
-- the answers that held for an attempt: of each approval the last one until then
answered as (
    select d.execution, d.stage, d.attempt, d.started_at as work_at, a.t, a.started_at, a.updated_at
    from attempt d
    join numbered a on a.t.pipelineExecutionId = d.execution and a.stage = d.stage and a.kind = 'approval' and a.attempt <= d.attempt
    qualify row_number() over (partition by d.execution, d.stage, d.attempt, a.t.stageName, a.t.actionName order by a.started_at desc, a.record_id) = 1
),
decided as (
    select a.execution, a.stage, a.attempt, list({
        'phase': case when a.started_at >= a.work_at then 'post' else 'pre' end,
        'decision': case when a.t.status = 'Succeeded' then 'approved' when a.t.status = 'InProgress' then 'pending'
                         when a.t.updatedBy is null then 'expired' when a.t.status = 'Failed' then 'rejected' else lower(a.t.status) end,
        'approver': case when a.t.status <> 'InProgress' then p.name end,
        'decided_at': case when a.t.status <> 'InProgress' then a.updated_at end,
        'automated': false, 'gated': coalesce(a.updated_at <= a.work_at, true),
        'comment': a.t.output.executionResult.externalExecutionSummary
    } order by a.started_at, a.t.actionName) as approvals
    from answered a
    left join person p on p.arn = a.t.updatedBy
    group by all
)
select
    d.record_id,
    concat_ws(':', 'codepipeline', d.pipeline, d.execution, d.stage, d.attempt) as deployment_id,
    d.pipeline || '/' || coalesce(e.t.rollbackMetadata.rollbackTargetPipelineExecutionId, d.execution) as release_id,
    d.pipeline, d.stage,
    e.t.sourceRevisions[1].revisionId as version,
    list_filter([r.revisionId for r in e.t.sourceRevisions], lambda x: regexp_matches(x, '^[0-9a-f]{40}$'))[1] as commit_sha,
    list_filter([r.revisionId for r in e.t.sourceRevisions], lambda x: starts_with(x, 'sha256:'))[1] as artifact_digest,
    case
        when e.t.executionType = 'ROLLBACK' or e.t.trigger.triggerType in ('ManualRollback', 'AutomatedRollback') then 'rollback'
        when e.t.trigger.triggerType = 'StartPipelineExecution' then 'manual'
        when e.t.trigger.triggerType is not null then 'automatic'
    end as trigger,
    case when e.t.trigger.triggerType in ('StartPipelineExecution', 'ManualRollback') then asked.name end as requested_by,
    d.started_at,
    case when outcome <> 'running' then d.ended_at end as finished_at,
    outcome,
    coalesce(g.approvals, []) as approvals,
    list_concat([d.execution], coalesce(d.builds, [])) as run_ids,
    [d.execution] as session_names,
    list_distinct(list_filter(list_append(coalesce(d.roles, []), def.role), lambda x: x is not null)) as roles,
    tickets_in(array_to_string([r.revisionSummary for r in e.t.sourceRevisions], ' ')) as tickets
from attempt d
join execution e on e.t.pipelineExecutionId = d.execution
left join (select pipeline, arg_max(role, (occurred_at, role)) filter (where occurred_at is not null and role is not null) as role from definition group by pipeline) def on def.pipeline = d.pipeline
left join decided g on g.execution = d.execution and g.stage = d.stage and g.attempt = d.attempt
left join person asked on asked.arn = e.t.trigger.triggerDetail,
lateral (select case
    when d.did is null and d.refused then 'rejected'
    -- of actions side by side one may have failed while another goes on
    when list_contains(d.did, 'InProgress') then 'running'
    when list_contains(d.did, 'Failed') then 'failed'
    when list_contains(d.did, 'Abandoned') then 'cancelled'
    when d.did is not null and d.refused then 'partial'
    when d.did is null and e.t.status <> 'InProgress' then 'cancelled'
    when d.did is null or (e.t.status = 'InProgress' and not exists (
        from attempt later where later.execution = d.execution and (later.stage <> d.stage or later.attempt <> d.attempt) and later.moved_at > d.moved_at)) then 'running'
    else 'succeeded'
end as outcome) x;

-- emits: pipeline_stage
with
definition as (
    select record_id, record->>'$.pipeline.name' as pipeline, record->>'$.pipeline.version' as revision, make_timestamp(((record->>'$.metadata.updated')::double * 1e6)::bigint) as changed_at,
           from_json(json_extract(record, '$.pipeline.stages'), '[{"name": "VARCHAR", "actions": [{"runOrder": "BIGINT", "actionTypeId": {"category": "VARCHAR"}, "configuration": {"ActionMode": "VARCHAR"}}]}]') as stages
    from raw where stream = 'definitions' and not deleted
),
stage as (
    -- approvals hold what comes after them: this stage, or the next one
    select *, len(work) > 0 as works,
           len([o for o in asked if o < list_min(work)]) as gates,
           len([o for o in asked if coalesce(o >= list_max(work), true)]) as gates_of_next
    from (
        select *, [coalesce(a.runOrder, 1) for a in s.actions if a.actionTypeId.category = 'Approval'] as asked,
               [coalesce(a.runOrder, 1) for a in s.actions if a.actionTypeId.category not in ('Source', 'Approval') and a.configuration.ActionMode is distinct from 'CHANGE_SET_REPLACE'] as work
        from (select * exclude (stages), unnest(stages) as s, generate_subscripts(stages, 1) as stage_order from definition)
    )
),
gated as (
    select *, max(stage_order) filter (where works) over (partition by record_id order by stage_order rows between unbounded preceding and 1 preceding) as before from stage
),
started as (
    select item as pipeline, list({
        'trigger': case
            when (record->>'$.executionType') = 'ROLLBACK' or (record->>'$.trigger.triggerType') in ('ManualRollback', 'AutomatedRollback') then 'rollback'
            when (record->>'$.trigger.triggerType') = 'StartPipelineExecution' then 'manual'
            when (record->>'$.trigger.triggerType') is not null then 'automatic'
        end,
        'began_at': make_timestamp(((record->>'$.startTime')::double * 1e6)::bigint)
    }) as runs
    from raw where stream = 'executions' group by item
)
select
    g.record_id, g.pipeline, g.revision, g.changed_at, g.s.name as stage, g.stage_order,
    -- what starts the first is known from the runs; a stage that follows on another by itself is not started by hand, and starts by
    -- itself as far as the first does
    case when g.before is null or k.trigger = 'automatic' then k.trigger end as trigger,
    (g.gates + coalesce((select sum(o.gates_of_next) from stage o where o.record_id = g.record_id and o.stage_order < g.stage_order and o.stage_order >= coalesce(g.before, 0)), 0))::bigint as approvals_required,
    []::varchar[] as approvers
from gated g
left join started t using (pipeline),
lateral (select trigger_of_runs(t.runs, g.changed_at) as trigger) k
where g.works;

-- emits: change
select
    record_id, occurred_at,
    case stream when 'executions' then 'execution' when 'actions' then 'action' when 'definitions' then 'definition' end as action,
    -- who changed a pipeline, aws-cloudtrail tells
    case when stream = 'executions' then 'release-control' else 'evidence' end as category,
    case stream when 'executions' then coalesce(record->>'$.trigger.triggerDetail', record->>'$.trigger.triggerType') when 'actions' then record->>'$.updatedBy' end as actor_name,
    'codepipeline:' || stream || '/' || coalesce(record->>'$.pipelineExecutionId', record->>'$.pipeline.name', record->>'$.object') as resource
from raw
where occurred_at is not null;
