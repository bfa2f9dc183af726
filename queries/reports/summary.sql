-- title: Summary
-- description: The period in one row: how many changes, and how they were judged.
-- param: since timestamp optional  From here (inclusive)
-- param: until timestamp optional  Up to here (exclusive)
-- param: environment text optional  Only this environment
-- param: service text optional  Only this service
-- param: verdict text optional  Only changes with this verdict
with
c as (
    select * from change
    where ($since is null or occurred_at >= $since)
      and ($until is null or occurred_at < $until)
      and ($environment is null or environment = $environment)
      and ($service is null or service = $service)
      and ($verdict is null or verdict = $verdict)
),
a as (
    select * from attempt
    where ($since is null or occurred_at >= $since)
      and ($until is null or occurred_at < $until)
      and ($environment is null or environment = $environment)
      and ($service is null or service = $service)
)
select
    coalesce($since, (select min(occurred_at) from c)) as period_start,
    coalesce($until, (select max(occurred_at) from c)) as period_end,
    count(*) as changes,
    count(*) filter (where verdict = 'released') as released,
    count(*) filter (where verdict = 'nonconforming') as nonconforming,
    count(*) filter (where verdict = 'unapproved') as unapproved,
    count(*) filter (where verdict = 'unrecorded') as unrecorded,
    count(*) filter (where verdict = 'manual') as manual,
    count(*) filter (where verdict = 'unattributed') as unattributed,
    count(*) filter (where verdict = 'platform') as platform,
    count(*) filter (where verdict = 'exempted') as exempted,
    (select count(*) from a) as attempts,
    (select count(*) from config_source) as sources,
    (select count(*) from unit where incomplete is not null) + (select count(*) from config_source s left join poll p on p.source = s.name where p.complete_at is null or p.error is not null) as gaps,
    count(*) filter (where state = 'provisional') as provisional
from c;
