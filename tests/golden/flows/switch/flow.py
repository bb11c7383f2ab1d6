from metaflow import FlowSpec, step


class SwitchFlow(FlowSpec):
    """A case that goes straight to the merge, and one that takes a step more."""

    @step
    def start(self):
        self.retrain = "yes"
        self.next({"yes": self.extra, "no": self.merge}, condition="retrain")

    @step
    def extra(self):
        self.next(self.merge)

    @step
    def merge(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SwitchFlow()
