-- title: Exemptions considered
-- description: Exemptions in force around that time, and whether they cover the change.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
select
    x.exemption_id, x.reason, x.valid_from as "from", x.valid_to as "to", x.service, x.environment, x.actors, x.verdicts, x.requested_by, x.approved_by,
    case
        when x.invalid is not null then 'ignored: ' || x.invalid
        when c.exemption_id = x.exemption_id then 'covers it'
        when c.occurred_at < x.valid_from or c.occurred_at >= x.valid_to then 'not in force then'
        else 'covers something else'
    end as decision
from chosen
join change c using (change_id)
join exemption x on c.occurred_at >= x.valid_from - interval 1 day and c.occurred_at < x.valid_to + interval 1 day
order by x.exemption_id;
