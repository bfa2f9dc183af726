-- Deployments that are over, and of which the pushed records do not say when they began.
select distinct pipeline, deployment_id
from deployment_version
where started_at is null and finished_at is not null and outcome in ('succeeded', 'partial', 'failed')
order by all;
