-- What this run knows: the time, the configuration as one JSON document, and which rules it goes by.
create or replace temporary table run as
select $now::timestamp as now, $configuration::json as configuration, sha256($configuration) as configuration_hash, $rules_hash as rules_hash, $program as program;
