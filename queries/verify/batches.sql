-- The chain, first batch first.
select batch_id, source, operator, committed_at, previous_hash from batch order by batch_id;
