module platform/tools/argo

go 1.26.0

tool (
	github.com/argoproj/argo-workflows/v4/cmd/argo
	github.com/argoproj/argo-workflows/v4/cmd/argoexec
	github.com/argoproj/argo-workflows/v4/cmd/workflow-controller
)

require github.com/argoproj/argo-workflows/v4 v4.0.2
