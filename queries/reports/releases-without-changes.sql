-- title: Releases without changes
-- description: Live deployments that ran and that no change matched: recorded, but nothing in the cloud shows them.
-- param: since timestamp optional  Started from here (inclusive)
-- param: until timestamp optional  Started up to here (exclusive)
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
select d.deployment_id, d.release_id, d.pipeline, d.service, d.started_at, d.finished_at, coalesce(d.requested_by, '') as requested_by
from deployment d
where d.environment = 'live' and d.ran
  and not exists (from change c where c.deployment_id = d.deployment_id)
  and ($since is null or d.started_at >= $since)
  and ($until is null or d.started_at < $until)
  and ($environment is null or d.environment = $environment)
  and ($service is null or d.service = $service)
order by d.started_at, d.deployment_id;
