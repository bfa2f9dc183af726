-- title: Lag
-- description: By how many seconds the systems themselves were late, by source and day, where their records say when they could first be asked for.
-- param: since timestamp optional  From this day (inclusive)
-- param: until timestamp optional  Up to this day (exclusive)
select
    source, occurred_at::date as day, count(*) as records,
    median(date_diff('second', occurred_at, available_at))::bigint as usual_seconds,
    max(date_diff('second', occurred_at, available_at)) as longest_seconds
from event
where available_at is not null
  and ($since is null or occurred_at >= $since::date)
  and ($until is null or occurred_at < $until)
group by all
order by day, source;
