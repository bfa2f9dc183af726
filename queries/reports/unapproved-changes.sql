-- title: Unapproved changes
-- description: Changes of releases that were not authorised, or do not conform otherwise.
-- table: occurred_at, service, environment, actor, action, resource, reason, change_id
-- severity: high
-- controls: OFQ-00005/two-stage-authorisation, OFQ-00005/prod-approval
-- param: since timestamp optional  From here (inclusive)
-- param: until timestamp optional  Up to here (exclusive)
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
-- param: verdict text optional  Only this verdict
select
    change_id, occurred_at, source, system, service, environment, actor, actor_kind, actor_basis, channel, action, operation,
    resource, verdict, state, reason, link_tier, ambiguous, deployment_id, release_id, failed_controls, exemption_id, case_id, record_id
from change
where ($since is null or occurred_at >= $since)
  and ($until is null or occurred_at < $until)
  and ($environment is null or environment = $environment)
  and ($service is null or service = $service)
  and ($verdict is null or verdict = $verdict)
  and verdict in ('unapproved', 'nonconforming')
order by occurred_at, change_id;
