-- title: Verdicts before
-- description: What was judged otherwise, until when, and what changed then: the configuration, the rules, the evidence, or only the time.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
select h.verdict, h.reason, h.actor, h.deployment_id, h.exemption_id, h.until, h.became, array_to_string(h.because, ', ') as changed
from chosen
join verdict_history h using (change_id)
order by h.rowid;
