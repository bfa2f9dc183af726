-- Results of the controls: one row for each control and subject. Filled by the files in queries/controls/.
create or replace table control_result (
    control      varchar not null,
    subject_kind varchar not null check (subject_kind in ('deployment', 'pipeline', 'change', 'service')),
    subject_id   varchar not null,
    service      varchar not null,
    environment  varchar not null,
    result       varchar not null check (result in ('pass', 'fail', 'not-applicable', 'no-evidence')),
    reason       varchar not null,
    occurred_at  timestamp               -- when it came about, where the control says so: what a baseline goes by
);
