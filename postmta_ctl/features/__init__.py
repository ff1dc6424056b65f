"""One package per group of the API: routes, schemas, service, queries, jobs; only what a slice needs."""
