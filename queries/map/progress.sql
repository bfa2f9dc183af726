-- Up to which batch this source was mapped with the mapping as it is now, and up to which there are any.
select m.through_batch, coalesce((select max(b.batch_id) from batch b where b.source = $source), 0) as latest
from mapped m
where m.source = $source and m.mapping_hash = $mapping_hash;
