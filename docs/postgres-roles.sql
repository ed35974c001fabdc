-- Roles with what they need and no more, for holdfast in the schema "locks". Run it as a superuser, or as the owner of
-- the database, before `holdfast migrate 'postgres://holdfast_admin@HOST/DATABASE?schema=locks'`. Set passwords.

-- Owns the tables and functions: it migrates, and does nothing else.
CREATE ROLE holdfast_admin LOGIN;
CREATE SCHEMA locks AUTHORIZATION holdfast_admin;

-- Takes locks: what programs log in as, or a role that is granted to them. It makes and changes no tables.
CREATE ROLE holdfast_user LOGIN;
GRANT USAGE ON SCHEMA locks TO holdfast_user;
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_admin IN SCHEMA locks
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO holdfast_user;

-- Looks: SELECT * FROM locks.holdfast_locks. After the migration, as holdfast_admin:
--   GRANT SELECT ON locks.holdfast_locks TO holdfast_viewer;
CREATE ROLE holdfast_viewer LOGIN;
GRANT USAGE ON SCHEMA locks TO holdfast_viewer;
