-- title: Deployment
-- description: The deployment that the finding is about.
-- param: finding_id text required  A finding_id
select d.deployment_id, d.release_id, d.pipeline, d.stage, d.environment, d.version, d.commit_sha as commit, d.artifact_digest, d.steps_digest, d.requested_by,
       d.started_at, d.finished_at, d.outcome, d.bypassed, d.url, d.source, d.record_id
from finding f
join deployment d on d.deployment_id = f.subject_id
where f.finding_id = $finding_id and f.subject_kind = 'deployment';
