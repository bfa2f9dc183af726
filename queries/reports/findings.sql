-- title: Findings
-- description: What failed, since when, and whether it still does.
-- severity: high
-- table: finding_id, severity, status, service, environment, control, summary
-- param: since timestamp optional  Of what happened from here on (inclusive); what has no time of its own: last seen
-- param: until timestamp optional  Of what happened up to here (exclusive); what has no time of its own: first seen
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
select finding_id, control, severity, subject_kind, subject_id, service, environment, actor, summary, first_seen, last_seen, status,
       coalesce(exemption_id, '') as exemption_id
from finding
where ($since is null or coalesce(happened_at, last_seen) >= $since)
  and ($until is null or coalesce(happened_at, first_seen) < $until)
  and ($environment is null or environment = $environment)
  and ($service is null or service = $service)
order by first_seen, finding_id;
