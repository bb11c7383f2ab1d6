"""
What executes inside a pod: one step of one flow, once (design 2). The only user of Metaflow's task machinery.

`main` is the command `platform-step`; the other modules are its parts, in the order in which a task goes through them:
launch, logs, code, flowfile, parameters, records, claims, task, ending.
"""
