from metaflow import FlowSpec, Parameter, schedule, step


@schedule(cron="0 5 * * ? *", timezone="Europe/Berlin")
class ScheduledFlow(FlowSpec):
    """Every morning at five, for the day it was scheduled for."""

    as_of = Parameter("as_of", help="Day to score, YYYY-MM-DD.", required=True)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ScheduledFlow()
