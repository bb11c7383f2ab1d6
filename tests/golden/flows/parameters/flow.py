from metaflow import Config, FlowSpec, IncludeFile, JSONType, Parameter, config_expr, resources, step


def always_seven(_context):
    return 7


always_seven.deterministic = True


class ParametersFlow(FlowSpec):
    """One parameter of every type."""

    as_of = Parameter("as_of", help="Day to score, YYYY-MM-DD.", required=True)
    text = Parameter("text", default='it\'s "quoted"\nand $(not run)', help="Any text.")
    count = Parameter("count", default=3)
    share = Parameter("share", default=0.25)
    dry = Parameter("dry", default=False, help="Write nothing.")
    bands = Parameter("bands", type=JSONType, default='{"low": 0.2}')
    nothing = Parameter("nothing", type=str)
    seven = Parameter("seven", default=always_seven)
    gate = IncludeFile("gate", default="flows/parameters/gate.toml", is_text=True)
    sizes = Config("sizes", default="flows/parameters/sizes.json")

    @resources(memory=config_expr("sizes.memory"))
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ParametersFlow()
