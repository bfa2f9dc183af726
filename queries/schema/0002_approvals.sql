-- Decisions that come as records of their own, and what else finds the release behind a change.

-- One decision, told apart from its deployment. It belongs to the deployment that it names, else to those that fit every
-- key it gives.
create table approval_version (
    source           varchar   not null,
    record_id        varchar   not null,
    raw_hash         varchar   not null,
    deployment_id    varchar,
    release_id       varchar,
    pipeline         varchar,
    stage            varchar,
    run_id           varchar,
    ticket           varchar,
    commit_sha       varchar,                -- of what is deployed
    url              varchar,
    valid_from       timestamp,              -- the decision holds for deployments that start from here
    valid_to         timestamp,              -- up to here
    phase            varchar,
    decision         varchar   not null,
    approver         varchar,
    decided_at       timestamp,
    automated        boolean,
    gated            boolean,
    for_commit       varchar,                -- what the approver saw
    comment          varchar
);

-- Tickets that the run names; who wrote what is deployed, as a server vouches for it (never what a commit says of itself).
alter table deployment_version add column tickets varchar[];
alter table deployment_version add column authors varchar[];
