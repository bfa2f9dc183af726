-- The store: evidence (what the systems said), meaning (what map.sql made of it), judgement (what the rules say).
-- All times are UTC. Tables that grow have no key: an index would have to live in memory; the writer joins instead.
-- Evidence is append-only; meaning and judgement can be made again from it at any time.

-- ------------------------------------------------------------------------------------------------------- evidence --

-- One commit of the writer. Each batch's hash covers its records and the hash of the batch before: an edit shows.
create table batch (
    batch_id      bigint    not null primary key,
    committed_at  timestamp not null,
    source        varchar   not null,
    operator      varchar,              -- who pushed it (records given with `record`), null for a poll
    records       bigint    not null check (records >= 0),
    hash          varchar   not null check (length(hash) = 64),
    previous_hash varchar   not null check (length(previous_hash) = 64)
);

-- One record as the system sent it. The same content under the same id is stored once; where the order counts in which records
-- stand (release records), once for each place.
create table raw_record (
    source        varchar   not null,
    record_id     varchar   not null,
    hash          varchar   not null check (length(hash) = 64),   -- SHA-256 of `record`
    received_hmac varchar   check (length(received_hmac) = 64),   -- of the bytes received, where a secret was replaced
    occurred_at   timestamp,                                      -- as the record says; null if it does not
    unit          varchar   not null,                             -- where it was first read
    position      bigint    not null,                             -- and its place there
    batch_id      bigint    not null,
    record        varchar   not null using compression zstd
);

-- What was read as one thing: a file and its etag, an hour of an API. Reading it again replaces its counts.
create table unit (
    source        varchar   not null,
    unit          varchar   not null,
    etag          varchar   not null,
    size          bigint    not null,
    sha256        varchar   not null,
    window_start  timestamp,
    window_end    timestamp,
    complete      boolean   not null,     -- all parts are committed
    incomplete    varchar,                -- why it could not be read to its end
    first_batch   bigint    not null,
    last_batch    bigint    not null,
    read_at       timestamp not null,
    check (window_start is null or window_start <= window_end)
);

-- Records of a unit by day, as counted while reading: kept are in raw_record, the others only here.
create table unit_count (
    source        varchar not null,
    unit          varchar not null,
    day           date    not null,
    kept          bigint  not null,       -- handed over, new or known
    duplicates    bigint  not null,       -- of these, stored before from another unit or earlier in this one
    reads         bigint  not null,
    quarantined   bigint  not null
);

-- What could not be read or mapped, with the reason. Nothing is dropped silently.
create table quarantine (
    source        varchar   not null,
    unit          varchar   not null,
    position      varchar   not null,
    stage         varchar   not null check (stage in ('read', 'map')),
    error         varchar   not null,
    hash          varchar   not null check (length(hash) = 64),
    day           date      not null,
    batch_id      bigint    not null,
    record        varchar   not null using compression zstd
);

-- How far each stream of a source has been read. Never past what is stored.
create table cursor (
    source        varchar   not null,
    stream        varchar   not null,
    value         varchar   not null,
    updated_at    timestamp not null,
    primary key (source, stream)
);

-- The last poll of each source, whole or not.
create table poll (
    source        varchar   not null primary key,
    polled_at     timestamp not null,     -- last attempt
    complete_at   timestamp,              -- last one that went to the end
    read_through  timestamp,              -- everything up to here has been read
    error         varchar
);

-- -------------------------------------------------------------------------------------------------------- meaning --

-- What has been mapped with which mapping; a changed mapping maps everything again.
create table mapped (
    source        varchar not null primary key,
    mapping_hash  varchar not null,
    through_batch bigint  not null
);

-- What a record tells: a change, an attempt, or something that is counted only.
create table event (
    source           varchar   not null,
    system           varchar   not null,
    record_id        varchar   not null,
    raw_hash         varchar   not null,
    occurred_at      timestamp not null,
    change_key       varchar   not null,     -- the provider's key; equal for copies of one change
    copy_key         varchar,                -- finds the change where a copy lacks the provider's key (then equal to change_key)
    owner            boolean   not null,     -- this copy is of the account that owns the resource
    category         varchar   not null check (category in ('change', 'read', 'non-change', 'session', 'business', 'release-control', 'evidence')),
    outcome          varchar   not null check (outcome in ('succeeded', 'failed', 'pending')),
    error            varchar,
    appearance_id    uhugeint  not null,     -- stands for the ten columns in which an actor shows itself, system to console
    actor_type       varchar   not null check (actor_type in ('person', 'root', 'user', 'role', 'application', 'service', 'workload', 'account', 'unknown')),
    actor_name       varchar,                -- as the system names it
    actor_role       varchar,                -- the role or application that acts
    session_name     varchar,
    session_key      varchar,                -- finds the session that issued the credential
    session_started  timestamp,
    source_identity  varchar,
    invoked_by       varchar,                -- the service that acted for the actor
    console          boolean   not null,     -- the provider says so, not the client
    channel          varchar   not null check (channel in ('console', 'cli', 'sdk', 'iac', 'pipeline', 'api', 'service', 'content-editor', 'unknown')),
    user_agent       varchar,
    action           varchar   not null,
    operation        varchar   not null check (operation in ('create', 'update', 'delete', 'permission', 'access', 'publish', 'unpublish', 'deploy', 'other')),
    resource         varchar   not null,
    account          varchar,
    region           varchar,
    subscription     varchar,
    resource_group   varchar,
    object           varchar,
    run_ids          varchar[],              -- run ids that the provider vouches for
    correlation_ids  varchar[],
    starts_operation varchar,                -- stack or deployment that this begins to change
    operation_plan   varchar,                -- the plan (change set) that it writes or executes
    operation_role   varchar,                -- the role that the operation will act with
    part_of          varchar,                -- stack or deployment on whose behalf it was done, where the record says so
    on_behalf_of     varchar   check (on_behalf_of in ('initiator', 'caller')), -- of whoever started an operation; of the caller whose identity the record keeps
    diffs            varchar,
    classed_by       varchar                 -- which rule or line of a table made it what it is
);

-- Evidence of who is behind a credential.
create table session (
    source           varchar   not null,
    system           varchar   not null,
    record_id        varchar   not null,
    raw_hash         varchar   not null,
    occurred_at      timestamp not null,
    issued_key       varchar,                -- the credential that was issued
    issued_name      varchar,                -- the identity that it acts as
    role             varchar,
    session_name     varchar,
    caller_type      varchar   not null check (caller_type in ('person', 'root', 'user', 'role', 'application', 'service', 'federated', 'account', 'unknown')),
    caller_name      varchar,
    caller_role      varchar,
    caller_session   varchar,                -- session name of the caller's own session
    caller_key       varchar,
    caller_started   timestamp,
    provider         varchar,                -- identity provider of a federated caller
    subject          varchar,                -- what the provider vouches for
    run_id           varchar,                -- from a user agent that the sign-in service logged
    tag_run_id       varchar,
    source_identity  varchar,
    shared_key       varchar
);

-- One run of one stage of one release; every version that was ever recorded.
create table deployment_version (
    source           varchar   not null,
    record_id        varchar   not null,
    raw_hash         varchar   not null,
    deployment_id    varchar   not null,
    recorded_at      timestamp,
    unit             varchar   not null,
    position         bigint    not null,
    release_id       varchar,
    pipeline         varchar   not null,
    service          varchar,
    version          varchar,
    commit_sha       varchar,
    artifact_digest  varchar,
    steps_digest     varchar,
    stage            varchar   not null,
    environment      varchar,                -- as recorded; the service's stage map may say otherwise
    trigger          varchar   check (trigger in ('automatic', 'manual', 'scheduled', 'rollback')),
    requested_by     varchar,
    started_at       timestamp,
    finished_at      timestamp,
    outcome          varchar   not null check (outcome in ('succeeded', 'partial', 'failed', 'cancelled', 'rejected', 'running')),
    bypassed         boolean,
    approvals        struct(phase varchar, decision varchar, approver varchar, decided_at timestamp, automated boolean, gated boolean, comment varchar)[],
    run_ids          varchar[] not null,
    session_names    varchar[] not null,
    correlation_ids  varchar[] not null,
    app_ids          varchar[] not null,
    roles            varchar[] not null,
    subjects         varchar[] not null,
    url              varchar
);

-- One stage of one revision of a pipeline's definition.
create table stage_version (
    source           varchar   not null,
    record_id        varchar   not null,
    raw_hash         varchar   not null,
    pipeline         varchar   not null,
    service          varchar,
    revision         varchar,
    changed_by       varchar,
    changed_at       timestamp,
    unit             varchar   not null,
    position         bigint    not null,
    stage            varchar   not null,
    environment      varchar,
    stage_order      bigint,
    trigger          varchar,
    approvals_required bigint,
    approvers        varchar[],
    requester_can_approve boolean,
    can_bypass       boolean
);

-- ------------------------------------------------------------------------------------------------ findings' life --

-- A control that failed on a subject. Judgement is made anew each time; first_seen and the audit that saw it stay.
create table finding (
    finding_id    varchar   not null primary key,
    control       varchar   not null,
    severity      varchar   not null check (severity in ('low', 'medium', 'high')),
    subject_kind  varchar   not null check (subject_kind in ('case', 'deployment', 'pipeline', 'exemption', 'waiver', 'source', 'operation')),
    subject_id    varchar   not null,
    service       varchar   not null,
    environment   varchar   not null,
    actor         varchar   not null,
    summary       varchar   not null,
    first_seen    timestamp not null,
    last_seen     timestamp not null,
    status        varchar   not null check (status in ('open', 'resolved', 'exempted')),
    exemption_id  varchar,
    opened_at     timestamp not null,     -- when it was opened or reopened last
    check (first_seen <= last_seen)
);

-- Audits that went to their end: what is new is measured against the last one.
create table audit (
    audited_at    timestamp not null
);
