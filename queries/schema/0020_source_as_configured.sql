-- What each source said of itself when it was last configured: what it told is worth what it was, though it is configured no more.
create table source_as_configured (
    source       varchar not null,
    connector    varchar not null,
    approvals    varchar not null      -- what its approvals are worth: evidence, or claimed
);
