-- What Terraform manages: each resource of each version of a state.
create table managed_version (
    source           varchar   not null,
    record_id        varchar   not null,
    raw_hash         varchar   not null,
    state            varchar   not null,
    serial           bigint,
    applied_at       timestamp,
    address          varchar   not null,
    resource_type    varchar,
    resource_id      varchar,
    arn              varchar
);
