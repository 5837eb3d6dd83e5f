-- The tables that huayang writes with --postgres.
CREATE TABLE windows (
  key int NOT NULL,
  span jsonb NOT NULL,
  change text NOT NULL,
  value jsonb NOT NULL,
  n bigint GENERATED ALWAYS AS IDENTITY
);
CREATE TABLE alarms (
  id text PRIMARY KEY,
  crane int NOT NULL,
  at_ms bigint NOT NULL,
  change jsonb NOT NULL,
  n bigint GENERATED ALWAYS AS IDENTITY
);
