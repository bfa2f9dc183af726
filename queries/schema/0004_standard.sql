-- What stays whatever is judged again: baselines, when what was judged with which rules, and how verdicts changed.

-- The past of an old estate, accepted: findings about what lies before `until` are listed as `baseline`.
create table baseline (
    until         timestamp not null,
    reason        varchar   not null,
    requested_by  varchar   not null,
    approved_by   varchar   not null,
    operator      varchar   not null,     -- who ran the command
    set_at        timestamp not null,
    check (until <= set_at)               -- never what comes later
);

-- The runs of the rules that differed from the one before in what they had to go by.
create table judgement (
    judged_at          timestamp not null,
    program            varchar   not null,     -- its version
    configuration_hash varchar   not null,     -- SHA-256 of the configuration, the standard with it
    rules_hash         varchar   not null,     -- SHA-256 of the SQL: rules, controls, mappings
    last_batch         bigint    not null      -- the evidence up to here was judged
);

-- A verdict that is no more: what it was, until when, and what changed meanwhile.
create table verdict_history (
    change_id     varchar   not null,
    verdict       varchar   not null,
    reason        varchar   not null,
    actor         varchar   not null,
    deployment_id varchar   not null,
    exemption_id  varchar   not null,
    until         timestamp not null,     -- when it was judged otherwise; that judgement is in table judgement
    became        varchar   not null,     -- the verdict that followed; empty where it is no change any more
    because       varchar[] not null      -- what had changed: configuration, rules, evidence; else time
);

-- Findings may be accepted as baseline, and be about services and baselines.
create table finding_of_before as from finding;
drop table finding;
create table finding (
    finding_id    varchar   not null primary key,
    control       varchar   not null,
    severity      varchar   not null check (severity in ('low', 'medium', 'high')),
    subject_kind  varchar   not null check (subject_kind in ('case', 'deployment', 'pipeline', 'service', 'exemption', 'waiver', 'baseline', 'source', 'operation')),
    subject_id    varchar   not null,
    service       varchar   not null,
    environment   varchar   not null,
    actor         varchar   not null,
    summary       varchar   not null,
    first_seen    timestamp not null,
    last_seen     timestamp not null,
    status        varchar   not null check (status in ('open', 'resolved', 'exempted', 'baseline')),
    exemption_id  varchar,
    opened_at     timestamp not null,     -- when it was opened or reopened last
    happened_at   timestamp,              -- the last time at which what it is about happened, where that has a time
    check (first_seen <= last_seen)
);
insert into finding select *, null from finding_of_before;
drop table finding_of_before;
