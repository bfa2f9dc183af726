-- Who is in which group, fact by fact: seen in it, seen to be gone, added, removed.
create table membership_told (
    source           varchar   not null,
    record_id        varchar   not null,
    raw_hash         varchar   not null,
    group_id         varchar   not null,
    group_name       varchar,
    member_id        varchar   not null,
    member_name      varchar,
    identities       varchar[] not null,
    is_member        boolean   not null,
    told_at          timestamp not null,
    -- seen when the group was first read: since when is not known
    is_first         boolean   not null
);
