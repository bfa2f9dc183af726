-- Deployments to make out: all where everything is judged, else those that 02_deployments_again.sql finds.
create or replace temporary table deployment_again as
select distinct deployment_id from deployment_version where (select everything from run);
