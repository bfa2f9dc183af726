-- title: Drift
-- description: Changes outside any release of what Terraform manages, with the address in its state.
-- table: occurred_at, service, environment, actor, verdict, resource, terraform_address, terraform_state
-- severity: high
-- controls: OFQ-00005/automated, SOC2 CC8.1, ISO27001 A.8.32
-- param: since timestamp optional  From here (inclusive)
-- param: until timestamp optional  Up to here (exclusive)
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
select
    c.change_id, c.occurred_at, c.service, c.environment, c.actor, c.verdict, c.reason, c.resource,
    m.address as terraform_address, m.state as terraform_state, m.applied_at as last_applied_at, c.record_id
from change c
join managed_change m using (change_id)
where c.deployment_id = '' and c.verdict <> 'platform'
  and ($since is null or c.occurred_at >= $since)
  and ($until is null or c.occurred_at < $until)
  and ($environment is null or c.environment = $environment)
  and ($service is null or c.service = $service)
order by c.occurred_at, c.change_id, m.state, m.address;
