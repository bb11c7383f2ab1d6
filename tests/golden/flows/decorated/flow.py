from metaflow import (
    FlowSpec,
    card,
    catch,
    environment,
    exit_hook,
    kubernetes,
    project,
    resources,
    retry,
    secrets,
    step,
    timeout,
)


def tell(run):
    print("finished", run)


def cry():
    print("failed")


@project(name="collections")
@exit_hook(on_success=[tell], on_error=[cry])
class DecoratedFlow(FlowSpec):
    """Every decorator of a step that means something here."""

    @retry(times=3, minutes_between_retries=1)
    @timeout(minutes=30)
    @resources(cpu=2, memory=8000)
    @step
    def start(self):
        self.next(self.fit)

    @kubernetes(gpu=1, memory=30000, cpu=4, compute_pool="t4", shared_memory=1024, disk=20000)
    @environment(vars={"OMP_NUM_THREADS": "4", "y": "on"})
    @secrets(sources=["bureau-api"])
    @step
    def fit(self):
        self.next(self.shadow)

    @catch(var="failed")
    @retry(times=1)
    @card
    @card(type="blank", id="second")
    @step
    def shadow(self):
        self.next(self.end)

    @resources(memory=120000, cpu=20)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    DecoratedFlow()
