-- Rendered by PostMTA. The weights of sources in their pool, where they are not all alike. They divide what a queue
-- sends after its first round, in which each source has its turn.
return {}
