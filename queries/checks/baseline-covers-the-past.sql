-- title: A baseline covers the past alone
-- description: A finding accepted by a baseline about something that happened at its end or later, or at no known time.
select f.finding_id, f.happened_at
from finding f
where f.status = 'baseline'
  and not exists (from baseline_standing b where b.invalid is null and f.happened_at < b.until)
order by f.finding_id;
