-- The end of the chain: kept elsewhere, it proves that nothing before it was edited.
select batch_id, hash, committed_at, (select count(*) from raw_record) as records from batch order by batch_id desc limit 1;
