-- title: Exemptions
-- description: Every exemption: who asked, who approved, for what and when, how many changes it covers, and whether it counts.
-- table: exemption_id, service, environment, requested_by, approved_by, from, to, changes_covered, expired, ignored
-- param: since timestamp optional  In force from here on (inclusive); changes covered from here on
-- param: until timestamp optional  In force before this time (exclusive); changes covered before it
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
with
covered as (
    select exemption_id, count(*) as changes
    from change
    where verdict = 'exempted'
      and ($since is null or occurred_at >= $since)
      and ($until is null or occurred_at < $until)
    group by exemption_id
)
select
    x.exemption_id, coalesce(x.service, '') as service, coalesce(x.environment, '') as environment,
    coalesce(x.requester_actor, '') as requested_by, coalesce(x.approver_actor, '') as approved_by,
    x.valid_from as "from", x.valid_to as "to", x.reason,
    coalesce(c.changes, 0) as changes_covered,
    -- of a period that is over, as it was at its end
    x.expired and ($until is null or x.valid_to <= $until) as expired,
    array_to_string(x.actors, ';') as actors, array_to_string(x.verdicts, ';') as verdicts,
    array_to_string(x.deployments, ';') as deployments, array_to_string(x.controls, ';') as controls,
    coalesce(x.invalid, '') as ignored
from exemption x
left join covered c using (exemption_id)
where ($since is null or x.valid_to > $since)
  and ($until is null or x.valid_from < $until)
  and ($environment is null or coalesce(x.environment, $environment) = $environment)
  and ($service is null or coalesce(x.service, $service) = $service)
order by x.valid_from, x.exemption_id;
