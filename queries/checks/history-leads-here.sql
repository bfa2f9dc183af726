-- title: History leads to the verdict
-- description: A change whose last row of history became another verdict than it has.
select h.change_id, h.became, coalesce(c.verdict, '') as verdict
from (from verdict_history qualify row_number() over (partition by change_id order by rowid desc) = 1) h
left join change c using (change_id)
where h.became <> coalesce(c.verdict, '')
order by h.change_id;
