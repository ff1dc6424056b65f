-- Rendered by PostMTA. Over how many files the big tables in data/ are spread.
return {
  domains = { shards = 1 },
}
