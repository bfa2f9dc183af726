-- title: What is exempted is covered
-- description: An exempted change, or finding, without an exemption that counts and was in force when it happened.
select c.change_id as id, c.exemption_id
from change c
left join exemption x on x.exemption_id = c.exemption_id
where c.verdict = 'exempted' and (x.exemption_id is null or x.invalid is not null or c.occurred_at < x.valid_from or c.occurred_at >= x.valid_to)
union all
select f.finding_id, f.exemption_id
from finding f
left join exemption x on x.exemption_id = f.exemption_id
where f.status = 'exempted' and (x.exemption_id is null or x.invalid is not null)
order by id;
