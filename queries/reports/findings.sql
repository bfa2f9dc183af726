-- title: Findings
-- description: What failed, since when, and whether it still does.
-- severity: high
-- table: finding_id, severity, status, service, environment, control, summary
-- param: since timestamp optional  Seen from here (inclusive)
-- param: until timestamp optional  First seen up to here (exclusive)
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
select finding_id, control, severity, subject_kind, subject_id, service, environment, actor, summary, first_seen, last_seen, status,
       coalesce(exemption_id, '') as exemption_id
from finding
where ($since is null or last_seen >= $since)
  and ($until is null or first_seen < $until)
  and ($environment is null or environment = $environment)
  and ($service is null or service = $service)
order by first_seen, finding_id;
