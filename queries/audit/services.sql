-- Every service that a report may tell of: those of the configuration, and those that only the release log knows.
select service from config_service
union
select service from deployment where service <> ''
union
select service from pipeline_stage where service <> ''
order by service;
