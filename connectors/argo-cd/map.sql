-- What Argo CD's sync history means: each entry is a deployment of the application to where it runs. The last part of the
-- application's name is its stage, what stands before it the pipeline. Who signed it off, the review of the revision tells.

-- emits: deployment
with
application as (
    select record_id, from_json(record, '{
        "metadata": {"name": "VARCHAR", "uid": "VARCHAR"}, "spec": {"destination": {"namespace": "VARCHAR"}},
        "status": {"history": [{"id": "VARCHAR", "revision": "VARCHAR", "revisions": ["VARCHAR"], "deployStartedAt": "VARCHAR", "deployedAt": "VARCHAR", "initiatedBy": {"username": "VARCHAR", "automated": "BOOLEAN"}}]}
    }') as t, occurred_at
    from raw where not deleted
),
entry as (select record_id, occurred_at, t, unnest(t.status.history) as h from application)
select
    record_id, concat_ws(':', 'argo-cd', t.metadata.name, h.id) as deployment_id,
    name || '@' || left(coalesce(h.revision, h.revisions[1]), 12) as release_id,
    name as pipeline, left(coalesce(h.revision, h.revisions[1]), 12) as version, coalesce(h.revision, h.revisions[1]) as commit_sha,
    regexp_extract(t.metadata.name, '[^-]+$') as stage,
    case when h.initiatedBy.automated then 'automatic' else 'manual' end as trigger,
    case when not coalesce(h.initiatedBy.automated, false) then nullif(h.initiatedBy.username, '') end as requested_by,
    make_utc(h.deployStartedAt) as started_at, make_utc(h.deployedAt) as finished_at, 'succeeded' as outcome
from entry, lateral (select coalesce(nullif(regexp_replace(t.metadata.name, '-[^-]+$', ''), ''), t.metadata.name) as name) n
qualify row_number() over (partition by t.metadata.uid, h.id order by occurred_at desc nulls last, record_id desc) = 1;

-- emits: change
select
    record_id, coalesce(occurred_at, make_utc(record->>'$.metadata.creationTimestamp')) as occurred_at, case when deleted then 'application.deleted' else 'application.seen' end as action,
    case when deleted then 'change' else 'evidence' end as category, case when deleted then 'delete' else 'deploy' end as operation, 'unknown' as actor_type,
    'argo-cd:application/' || coalesce(record->>'$.metadata.name', previous->>'$.metadata.name') as resource
from raw
where coalesce(occurred_at, make_utc(record->>'$.metadata.creationTimestamp')) is not null;
