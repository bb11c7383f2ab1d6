from metaflow import FlowSpec, step


class SwitchInBranchesFlow(FlowSpec):
    """Switches whose cases end in the join of a split, and in the join of a foreach."""

    @step
    def start(self):
        self.next(self.left, self.right)

    @step
    def left(self):
        self.way = "a"
        self.next({"a": self.left_a, "b": self.left_b}, condition="way")

    @step
    def left_a(self):
        self.next(self.joined)

    @step
    def left_b(self):
        self.next(self.joined)

    @step
    def right(self):
        self.items = [1, 2]
        self.next(self.item, foreach="items")

    @step
    def item(self):
        self.kind = "odd"
        self.next({"odd": self.odd, "even": self.even, "none": self.same}, condition="kind")

    @step
    def odd(self):
        self.next(self.same)

    @step
    def even(self):
        self.next(self.join_items)

    @step
    def same(self):
        self.next(self.join_items)

    @step
    def join_items(self, inputs):
        self.next(self.joined)

    @step
    def joined(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SwitchInBranchesFlow()
