-- title: Attempts
-- description: Changes that were tried and failed; kept, never judged.
-- table: occurred_at, service, environment, actor, action, resource, error
-- param: since timestamp optional  From here (inclusive)
-- param: until timestamp optional  Up to here (exclusive)
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
select change_id, occurred_at, source, system, service, environment, actor, actor_kind, channel, action, resource, error, record_id
from attempt
where ($since is null or occurred_at >= $since)
  and ($until is null or occurred_at < $until)
  and ($environment is null or environment = $environment)
  and ($service is null or service = $service)
order by occurred_at, change_id;
