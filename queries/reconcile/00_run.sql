-- What this run knows: the time, and the configuration as one JSON document.
create or replace temporary table run as select $now::timestamp as now, $configuration::json as configuration;
