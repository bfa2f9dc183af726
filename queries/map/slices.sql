-- The batches that came in since a source was last mapped, in slices of about so many records: the last batch of each slice.
select max(batch_id)
from (
    select batch_id, sum(records) over (order by batch_id) as so_far
    from batch
    where source = $source and batch_id > $after_batch
)
group by so_far // $records
order by 1;
