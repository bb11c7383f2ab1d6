from metaflow import FlowSpec, step


class NestedSwitchFlow(FlowSpec):
    """A switch inside a case of a switch; three ways lead to the merge, one of them straight from the inner switch."""

    @step
    def start(self):
        self.size = "big"
        self.next({"big": self.inner, "small": self.cheap}, condition="size")

    @step
    def inner(self):
        self.fresh = "no"
        self.next({"yes": self.merge, "no": self.refresh}, condition="fresh")

    @step
    def refresh(self):
        self.next(self.merge)

    @step
    def cheap(self):
        self.next(self.merge)

    @step
    def merge(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NestedSwitchFlow()
