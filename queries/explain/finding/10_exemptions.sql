-- title: What excuses it
-- description: The exemption that covers it, and the baselines.
-- param: finding_id text required  A finding_id
select 'exemption ' || x.exemption_id as excuse, x.reason, x.requested_by, x.approved_by, x.valid_from as "from", x.valid_to as "to", coalesce('ignored: ' || x.invalid, 'covers it') as standing
from finding f
join exemption x on x.exemption_id = f.exemption_id or (f.subject_kind = 'exemption' and x.exemption_id = f.subject_id)
where f.finding_id = $finding_id
union all
select 'baseline', b.reason, b.requested_by, b.approved_by, null, b.until,
       case
           when b.invalid is not null then 'ignored: ' || b.invalid
           when f.happened_at is null then 'does not cover it: it has no time'
           when f.happened_at < b.until then 'covers it'
           else 'does not cover it: it happened later'
       end
from finding f
cross join baseline_standing b
where f.finding_id = $finding_id
order by excuse, "to";
