from metaflow import FlowSpec, step


class SplitFlow(FlowSpec):
    """Two branches, one of them with a split of its own."""

    @step
    def start(self):
        self.next(self.left, self.right)

    @step
    def left(self):
        self.next(self.up, self.down)

    @step
    def up(self):
        self.next(self.inner)

    @step
    def down(self):
        self.next(self.inner)

    @step
    def inner(self, inputs):
        self.next(self.outer)

    @step
    def right(self):
        self.next(self.outer)

    @step
    def outer(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SplitFlow()
