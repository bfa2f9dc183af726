-- title: Every verdict has a reason that explains it
-- description: A change whose reason is missing, or is not a reason for its verdict.
select c.change_id, c.verdict, c.reason
from change c
left join reason r on r.reason = c.reason
where r.reason is null or r.verdict <> c.verdict
order by c.change_id;
