select severity, count(*) from finding where status = 'open' group by severity order by severity;
