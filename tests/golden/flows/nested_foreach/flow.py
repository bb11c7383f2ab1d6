from metaflow import FlowSpec, step


class NestedForeachFlow(FlowSpec):
    """A foreach inside a foreach, with a split inside both."""

    @step
    def start(self):
        self.regions = ["north", "south"]
        self.next(self.region, foreach="regions")

    @step
    def region(self):
        self.shards = [0, 1, 2]
        self.next(self.shard, foreach="shards")

    @step
    def shard(self):
        self.next(self.score, self.check)

    @step
    def score(self):
        self.next(self.both)

    @step
    def check(self):
        self.next(self.both)

    @step
    def both(self, inputs):
        self.next(self.join_shards)

    @step
    def join_shards(self, inputs):
        self.next(self.join_regions)

    @step
    def join_regions(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NestedForeachFlow()
