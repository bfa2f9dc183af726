-- Records on which a mapping fails, for as long as it is that mapping: the others are mapped without them.
create table unmappable (
    source       varchar not null,
    hash         varchar not null,
    mapping_hash varchar not null,
    error        varchar not null
);
