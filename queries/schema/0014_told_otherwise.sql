-- Records of which something else was told under the same id, before or at once: a correction, or a contradiction.
create table told_otherwise (
    source    varchar not null,
    connector varchar not null,
    record_id varchar not null
);
