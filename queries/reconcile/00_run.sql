-- What this run knows: the time, the configuration as one JSON document, and which rules it goes by. Whether everything has
-- to be judged: the first time, when asked, and when rules or configuration are others than the last time. Otherwise only
-- what may come out otherwise is (06_again.sql). The last time is what was written last: the clock may have been set back
-- since.
create or replace temporary table run as
with before as (from judgement qualify row_number() over (order by rowid desc) = 1)
select
    $now::timestamp as now, $configuration::json as configuration, sha256($configuration) as configuration_hash, $rules_hash as rules_hash,
    $program as program,
    $rebuild or not exists (from before where configuration_hash = sha256($configuration) and rules_hash = $rules_hash) as everything;
