-- What release records mean (design: release records). Sees raw(source, record_id, occurred_at, unit, position, record).

-- emits: deployment
with r as (
    select record_id, occurred_at, from_json(record, '{
        "schema": "VARCHAR", "id": "VARCHAR", "release_id": "VARCHAR", "pipeline": "VARCHAR", "service": "VARCHAR",
        "version": "VARCHAR", "commit": "VARCHAR", "artifact_digest": "VARCHAR", "steps_digest": "VARCHAR",
        "stage": "VARCHAR", "environment": "VARCHAR", "trigger": "VARCHAR", "requested_by": "VARCHAR",
        "started_at": "VARCHAR", "finished_at": "VARCHAR", "outcome": "VARCHAR", "bypassed": "BOOLEAN",
        "recorded_at": "VARCHAR", "url": "VARCHAR", "authors": ["VARCHAR"],
        "approvals": [{"phase": "VARCHAR", "decision": "VARCHAR", "approver": "VARCHAR", "decided_at": "VARCHAR", "automated": "BOOLEAN", "gated": "BOOLEAN", "comment": "VARCHAR"}],
        "keys": {"run_ids": ["VARCHAR"], "aws_session_names": ["VARCHAR"], "azure_correlation_ids": ["VARCHAR"],
                 "azure_app_ids": ["VARCHAR"], "aws_roles": ["VARCHAR"], "oidc_subjects": ["VARCHAR"], "tickets": ["VARCHAR"], "items": ["VARCHAR"]}
    }') as t
    from raw
)
select
    record_id,
    t.id as deployment_id,
    make_utc(t.recorded_at) as recorded_at,
    t.release_id,
    t.pipeline,
    t.service,
    t.version,
    t.commit as commit_sha,
    t.artifact_digest,
    t.steps_digest,
    t.stage,
    t.environment,
    t.trigger,
    t.requested_by,
    make_utc(t.started_at) as started_at,
    make_utc(t.finished_at) as finished_at,
    t.outcome,
    t.bypassed,
    list_transform(t.approvals, lambda a: {
        'phase': a.phase, 'decision': a.decision, 'approver': a.approver, 'decided_at': make_utc(a.decided_at),
        'automated': a.automated, 'gated': a.gated, 'comment': a.comment
    }) as approvals,
    t.keys.run_ids as run_ids,
    t.keys.aws_session_names as session_names,
    t.keys.azure_correlation_ids as correlation_ids,
    t.keys.azure_app_ids as app_ids,
    t.keys.aws_roles as roles,
    t.keys.oidc_subjects as subjects,
    t.keys.items as items,
    t.keys.tickets as tickets,
    t.authors,
    t.url
from r
where t.schema like 'changetrail.deployment/%';

-- emits: approval
with r as (
    select record_id, from_json(record, '{
        "schema": "VARCHAR", "deployment": "VARCHAR", "release_id": "VARCHAR", "pipeline": "VARCHAR", "stage": "VARCHAR", "run_id": "VARCHAR",
        "ticket": "VARCHAR", "phase": "VARCHAR", "decision": "VARCHAR", "approver": "VARCHAR", "decided_at": "VARCHAR", "automated": "BOOLEAN",
        "gated": "BOOLEAN", "for_commit": "VARCHAR", "comment": "VARCHAR"
    }') as t
    from raw
)
select
    record_id, t.deployment as deployment_id, t.release_id, t.pipeline, t.stage, t.run_id, t.ticket, t.phase, t.decision, t.approver,
    make_utc(t.decided_at) as decided_at, t.automated, t.gated, t.for_commit, t.comment
from r
where t.schema like 'changetrail.approval/%';

-- emits: pipeline_stage
with
r as (
    select record_id, occurred_at, from_json(record, '{
        "schema": "VARCHAR", "pipeline": "VARCHAR", "service": "VARCHAR", "revision": "VARCHAR", "changed_by": "VARCHAR", "changed_at": "VARCHAR",
        "stages": [{"name": "VARCHAR", "environment": "VARCHAR", "order": "BIGINT", "trigger": "VARCHAR", "approvals_required": "BIGINT",
                    "approvers": ["VARCHAR"], "requester_can_approve": "BOOLEAN", "can_bypass": "BOOLEAN"}]
    }') as t
    from raw
),
stages as (select record_id, t, unnest(t.stages) as s from r where t.schema like 'changetrail.pipeline/%')
select
    record_id,
    t.pipeline,
    t.service,
    t.revision,
    t.changed_by,
    make_utc(t.changed_at) as changed_at,
    s.name as stage,
    s.environment,
    s.order as stage_order,
    s.trigger,
    s.approvals_required,
    s.approvers,
    s.requester_can_approve,
    s.can_bypass
from stages;
