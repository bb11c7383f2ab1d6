"""
A seed -> the source of a random flow: nested foreach, splits, joins, switches in all shapes, @catch, retries.

Every step adds its name to a trace and changes a number, so that another input, another order or another branch leaves
other artifacts. Failures come from the attempt's number alone, so that every run of the flow fails in the same way.
"""

import random
from dataclasses import dataclass, field

ORDER = "ORDER OF {join}"


@dataclass
class Writer:
    """The steps written so far."""

    chance: random.Random
    budget: int
    steps: list[str] = field(default_factory=list)
    count: int = 0
    catches: bool = True

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}" if self.chance.random() < 0.8 else f"{kind}_{self.count}x"

    def add(
        self, name: str, body: list[str], after: str, *, decorators: tuple[str, ...] = (), joins: bool = False
    ) -> None:
        lines = [*decorators, "@step", f"def {name}(self{', inputs' if joins else ''}):"]
        lines += [f"    {line}" for line in [*body, f"self.next({after})"]]
        self.steps.append("\n".join(f"    {line}" for line in lines))


def source(seed: int, *, size: int = 6) -> str:
    """The flow file; `size` is about how many steps."""
    writer = Writer(random.Random(seed), size)
    first = _sequence(writer, "end", ())
    start = [
        "    @step",
        "    def start(self):",
        "        self.trace = ['start']",
        "        self.value = self.begin",
        "        self.kept = {'word': self.word}",
        f"        self.next(self.{first})",
    ]
    end = ["    @step", "    def end(self):", "        self.trace = self.trace + ['end']"]
    return "\n".join(
        [
            "import os",
            "from metaflow import FlowSpec, Parameter, catch, current, retry, step",
            "",
            f"class Random{seed}(FlowSpec):",
            f"    begin = Parameter('begin', type=int, default={writer.chance.randint(0, 9)})",
            "    word = Parameter('word', default='a \"b\" $(c)')",
            "    constant = 7",
            "",
            *start,
            "",
            "\n\n".join(writer.steps),
            "",
            *end,
            "",
            "if __name__ == '__main__':",
            f"    Random{seed}()",
            "",
        ]
    )


def _sequence(writer: Writer, target: str, around: tuple[str, ...], *, depth: int = 0) -> str:
    """
    Write a chain of blocks that ends in `target`; return the name of its first step.

    Written from the last block to the first, so that each knows where it leads.
    """
    following = target
    for _ in range(writer.chance.choice([1, 1, 2, 2, 3]) if depth else writer.chance.randint(2, 4)):
        following = _block(writer, following, around, depth)
    return following


def _block(writer: Writer, target: str, around: tuple[str, ...], depth: int) -> str:
    writer.budget -= 1
    kinds = ["linear"] * (3 if depth else 1)
    if depth < 3 and writer.budget > 0:
        kinds += ["split", "foreach", "switch", "switch"]
    match writer.chance.choice(kinds):
        case "split":
            return _split(writer, target, around, depth)
        case "foreach":
            return _foreach(writer, target, around, depth)
        case "switch":
            return _switch(writer, writer.name("pick"), target, around, depth)
    return _linear(writer, target)


def _touch(writer: Writer, name: str) -> list[str]:
    return [f"self.trace = self.trace + ['{name}']", f"self.value = self.value * 3 % 1009 + {writer.count}"]


def _linear(writer: Writer, target: str) -> str:
    name = writer.name("work")
    body = _touch(writer, name)
    decorators: tuple[str, ...] = ()
    chance = writer.chance.random()
    if chance < 0.12:
        times = writer.chance.randint(1, 2)
        decorators = (f"@retry(times={times}, minutes_between_retries=0)",)
        body.append(f"if current.retry_count < {times}: raise ValueError('attempt %d' % current.retry_count)")
    elif chance < 0.24:
        times = writer.chance.randint(0, 1)
        retry = (f"@retry(times={times}, minutes_between_retries=0)",) if times else ()
        decorators = (f"@catch(var='caught_{name}', print_exception=False)", *retry)
        death = writer.chance.choice(["raise KeyError('always')", "os._exit(3)", "os.kill(os.getpid(), 9)"])
        body.insert(writer.chance.randint(0, len(body)), death)
    writer.add(name, body, f"self.{target}", decorators=decorators)
    return name


def _switch(
    writer: Writer, name: str, target: str, around: tuple[str, ...], depth: int, extra: tuple[str, ...] = ()
) -> str:
    ways = writer.chance.randint(2, 3)
    # Metaflow refuses a case that is a join; one that is the merge, or leads to a join by a step, it accepts.
    straight = not target.startswith(("join", "gather")) and writer.chance.random() < 0.6
    count = ways - straight
    cases = [_sequence(writer, target, around, depth=depth + 1) for _ in range(count)]
    if len(cases) < ways:
        # The case that goes straight to the merge.
        cases.insert(writer.chance.randint(0, len(cases)), target)
    body = [*extra, *_touch(writer, name), f"self.way_{name} = 'case%d' % ((self.value + {writer.count}) % {ways})"]
    table = ", ".join(f"'case{number}': self.{case}" for number, case in enumerate(cases))
    writer.add(name, body, f"{{{table}}}, condition='way_{name}'")
    return name


def _carry(around: tuple[str, ...]) -> list[str]:
    """A join forgets what it does not carry on: the word from the start, and the indices of the foreaches around."""
    return ["self.kept = inputs[0].kept", *(f"self.index_{name} = inputs[0].index_{name}" for name in around)]


def _split(writer: Writer, target: str, around: tuple[str, ...], depth: int) -> str:
    name, join = writer.name("split"), writer.name("join")
    # Metaflow's local runtime hands the inputs of a static join over in an order that differs from run to run.
    body = [
        "self.value = sum(each.value for each in inputs) % 1009",
        f"self.trace = sorted(name for each in inputs for name in each.trace) + ['{join}']",
    ]
    writer.add(join, [*body, *_carry(around)], f"self.{target}", joins=True)
    branches = [_sequence(writer, join, around, depth=depth + 1) for _ in range(writer.chance.randint(2, 3))]
    writer.add(name, _touch(writer, name), ", ".join(f"self.{branch}" for branch in branches))
    return name


def _foreach(writer: Writer, target: str, around: tuple[str, ...], depth: int) -> str:
    name, join, first = writer.name("each"), writer.name("gather"), writer.name("item")
    body = [
        ORDER.format(join=join),
        "self.value = sum(each.value * 7 ** at for at, each in enumerate(ordered)) % 1009",
        f"self.trace = [name for each in ordered for name in each.trace] + ['{join}']",
    ]
    writer.add(join, [*body, *_carry(around)], f"self.{target}", joins=True)
    inside, index = (*around, name), f"self.index_{name} = self.input"
    if writer.chance.random() < 0.3:
        _switch(writer, first, join, inside, depth, extra=(index,))
    else:
        following = _sequence(writer, join, inside, depth=depth + 1)
        writer.add(first, [*_touch(writer, first), "self.value += self.input", index], f"self.{following}")
    width = writer.chance.choice([1, 2, 2, 3])
    writer.add(name, [*_touch(writer, name), f"self.items = list(range({width}))"], f"self.{first}, foreach='items'")
    _settle_order(writer, name, join)
    return name


def _settle_order(writer: Writer, name: str, join: str) -> None:
    """
    Compare the order in which a join gets its inputs, where Metaflow has one: by index.

    Where a body ends in several steps, its local runtime orders by those first, and differently from run to run.
    """
    last_steps = sum(
        f"self.{join}," in step or f"self.{join})" in step or f"self.{join}}}" in step for step in writer.steps
    )
    by_index = f"ordered = sorted(inputs, key=lambda each: each.index_{name})"
    order = "ordered = list(inputs)" if last_steps == 1 else by_index
    writer.steps = [step.replace(ORDER.format(join=join), order) for step in writer.steps]
