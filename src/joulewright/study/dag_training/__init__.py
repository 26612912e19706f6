"""Training of the learned DAG scheduler: ``python -m joulewright.study.dag_training --help``; needs torch."""
