"""
Registered models: their form on disk, their versions, the gate that promotes one. The only user of mlflow.

In: a fitted pipeline, or the name of a registered model. Out: a folder of hashed files that nothing needs to trust.
Each module is imported by itself: `form` needs numpy and xgboost only, `registry` alone imports mlflow.
"""
