-- Up to which batch records of this source were mapped with the mapping as it is now, and up to which there are batches. Batches
-- without records say nothing of a mapping: it never ran.
with batches as (from batch where source = $source)
select
    case when exists (from batches where batch_id <= m.through_batch and records > 0) then m.through_batch else 0 end as through,
    coalesce((select max(batch_id) from batches), 0) as latest
from mapped m
where m.source = $source and m.mapping_hash = $mapping_hash;
