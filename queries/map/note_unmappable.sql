-- One record on which the mapping fails.
insert into unmappable
select distinct $source, raw_hash, $mapping_hash, $error from tried where number = $number;
