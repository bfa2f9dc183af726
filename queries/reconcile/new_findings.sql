-- Open findings that the last complete audit did not know, or knew as resolved.
select severity, count(*)
from finding
where status = 'open' and opened_at > coalesce((select max(audited_at) from audit), timestamp '0001-01-01')
group by severity
order by severity;
