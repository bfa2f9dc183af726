-- Up to which batch this source was mapped with the mapping as it is now.
select through_batch from mapped where source = $source and mapping_hash = $mapping_hash;
