-- Records of which something else was told under the same id, before or at once: a correction, or a contradiction. By the name
-- that says so; a store made between two versions may have it already.
alter table if exists retelling rename to told_otherwise;
