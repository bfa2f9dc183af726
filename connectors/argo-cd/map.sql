-- What Argo CD's sync history means: each entry is a deployment of the application to where it runs. The last part of the
-- application's name is its stage, what stands before it the pipeline. Who signed it off, the review of the revision tells.
-- The history has what succeeded as a whole: what goes on, failed, or took some resources only, the last operation tells.

-- emits: deployment
with
application as (
    select record_id, from_json(record, '{
        "metadata": {"name": "VARCHAR", "uid": "VARCHAR"},
        "status": {"history": [{"id": "VARCHAR", "revision": "VARCHAR", "revisions": ["VARCHAR"], "deployStartedAt": "VARCHAR", "deployedAt": "VARCHAR", "initiatedBy": {"username": "VARCHAR", "automated": "BOOLEAN"}}],
                   "operationState": {"phase": "VARCHAR", "startedAt": "VARCHAR", "finishedAt": "VARCHAR", "syncResult": {"revision": "VARCHAR", "revisions": ["VARCHAR"]},
                        "operation": {"initiatedBy": {"username": "VARCHAR", "automated": "BOOLEAN"}, "sync": {"revision": "VARCHAR", "revisions": ["VARCHAR"], "dryRun": "BOOLEAN"}}}}
    }') as t, occurred_at
    from raw where not deleted
),
operation as (
    select record_id, t, o, make_utc(o.startedAt) as started_at, make_utc(o.finishedAt) as finished_at
    from (select *, t.status.operationState as o from application)
    where o.startedAt is not null and not coalesce(o.operation.sync.dryRun, false)
    qualify row_number() over (partition by t.metadata.uid, o.startedAt order by o.finishedAt is not null desc, occurred_at desc, record_id desc) = 1
),
told as (
    select record_id, t, h, make_utc(h.deployStartedAt) as started_at, make_utc(h.deployedAt) as finished_at
    from (select record_id, occurred_at, t, unnest(t.status.history) as h from application)
    qualify row_number() over (partition by t.metadata.uid, h.id order by occurred_at desc nulls last, record_id desc) = 1
),
-- an entry that does not tell its start began with the operation that ended with it, else at its end
entry as (
    select * replace (coalesce(
        started_at,
        (select max(o.started_at) from operation o where o.t.metadata.uid = told.t.metadata.uid and told.finished_at between o.started_at and o.finished_at + interval 1 minute),
        finished_at) as started_at)
    from told
),
every as (
    select record_id, t, h.id as id, coalesce(h.revision, h.revisions[1]) as revision, h.initiatedBy as initiator, started_at, finished_at, 'succeeded' as outcome
    from entry
    union all
    select o.record_id, o.t, 'sync-' || o.o.startedAt, coalesce(o.o.syncResult.revision, o.o.syncResult.revisions[1], o.o.operation.sync.revision, o.o.operation.sync.revisions[1]), o.o.operation.initiatedBy,
           o.started_at, o.finished_at, case when o.o.phase in ('Failed', 'Error') then 'failed' when o.o.phase = 'Succeeded' then 'succeeded' else 'running' end
    from operation o
    anti join entry e on e.t.metadata.uid = o.t.metadata.uid
        and (e.started_at = o.started_at or e.finished_at between o.started_at and o.finished_at + interval 1 minute)
)
select
    -- an application of this name may be made again, and others may have it in another namespace or server: each counts from 0
    record_id, concat_ws(':', 'argo-cd', t.metadata.name, t.metadata.uid, id) as deployment_id,
    name || '@' || left(revision, 12) as release_id,
    name as pipeline, left(revision, 12) as version, revision as commit_sha,
    regexp_extract(t.metadata.name, '[^-]+$') as stage,
    case when initiator.automated then 'automatic' else 'manual' end as trigger,
    case when not coalesce(initiator.automated, false) then nullif(initiator.username, '') end as requested_by,
    started_at, finished_at, outcome
from every, lateral (select coalesce(nullif(regexp_replace(t.metadata.name, '-[^-]+$', ''), ''), t.metadata.name) as name) n;

-- emits: change
select
    record_id, coalesce(occurred_at, make_utc(record->>'$.metadata.creationTimestamp')) as occurred_at, case when deleted then 'application.deleted' else 'application.seen' end as action,
    case when deleted then 'change' else 'evidence' end as category, case when deleted then 'delete' else 'deploy' end as operation, 'unknown' as actor_type,
    'argo-cd:application/' || coalesce(record->>'$.metadata.name', previous->>'$.metadata.name') as resource
from raw
where coalesce(occurred_at, make_utc(record->>'$.metadata.creationTimestamp')) is not null;
