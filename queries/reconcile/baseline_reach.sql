-- How many of the open findings lie before a time, and how many do not.
select count(*) filter (where happened_at < $until) as before, count(*) filter (where coalesce(happened_at >= $until, true)) as after
from finding
where status = 'open';
