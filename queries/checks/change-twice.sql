-- title: One row for each change
-- description: A change that has more than one row.
select change_id, count(*) as rows from change group by change_id having count(*) > 1 order by change_id;
