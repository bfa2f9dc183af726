-- The system's own proof that its log is whole and unaltered: files that vouch for log files, and what was found of them.

-- One digest, as last checked.
create table digest (
    source             varchar   not null,
    unit               varchar   not null,
    stream             varchar   not null,     -- digests that follow on each other
    digest             varchar   not null,     -- where it says that it lies
    starts_at          timestamp,
    ends_at            timestamp,
    hash               varchar   not null,     -- SHA-256 of its content
    signature          varchar   not null check (signature in ('good', 'bad', 'no-key', 'not-known')),
    signature_text     varchar,
    previous           varchar,                -- the digest before, as it states it; null where the chain begins
    previous_hash      varchar,
    previous_signature varchar,
    problem            varchar,                -- why it proves nothing
    checked_at         timestamp not null
);

-- A log file that a digest vouches for.
create table digest_file (
    source             varchar   not null,
    unit               varchar   not null,
    file               varchar   not null,
    expected           varchar   not null,     -- its hash, as the digest states it
    found              varchar                 -- of what lies there, or why it cannot be read; null if nothing does
);
