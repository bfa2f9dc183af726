-- Content: which version of it went live, and which content a release names.

alter table event add column version varchar;

-- RESOURCE@VERSION, or RESOURCE for whatever version.
alter table deployment_version add column items varchar[];
