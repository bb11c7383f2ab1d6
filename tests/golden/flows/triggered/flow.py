from metaflow import FlowSpec, Parameter, step, trigger, trigger_on_finish


@trigger(event={"name": "bureau.file", "parameters": {"table": "name", "rows": "size.rows"}})
@trigger_on_finish(flow="ScheduledFlow")
class TriggeredFlow(FlowSpec):
    """Starts when a file has arrived and the daily batch is through."""

    table = Parameter("table", default="scores")
    rows = Parameter("rows", default=0)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TriggeredFlow()
