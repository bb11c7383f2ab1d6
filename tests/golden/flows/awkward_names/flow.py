from metaflow import FlowSpec, step


class AwkwardNamesFlow(FlowSpec):
    """Names that Argo, its expressions or YAML read as something else."""

    @step
    def start(self):
        self.on = [1]
        self.next(self.y, foreach="on")

    @step
    def y(self):
        self.next(self.start_each)

    @step
    def start_each(self):
        self.next(self.matches)

    @step
    def matches(self):
        self.next(self.flow_)

    @step
    def flow_(self):
        self.next(self.each_y)

    @step
    def each_y(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    AwkwardNamesFlow()
