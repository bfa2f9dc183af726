-- Records of which something else was told before, or at once, under the same id: a correction, or a contradiction.
create table retelling (
    source    varchar not null,
    connector varchar not null,
    record_id varchar not null
);
