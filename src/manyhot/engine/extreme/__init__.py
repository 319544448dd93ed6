"""Training and scoring with very many labels: sparse targets and a head in chunks."""
