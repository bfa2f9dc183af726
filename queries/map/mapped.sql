insert or replace into mapped
select $source, $mapping_hash, coalesce(max(batch_id), 0) from batch where source = $source;
