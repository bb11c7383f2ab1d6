"""
A first flow: greet a few people, one task each, and show the greetings on a card.

    python flows/hello/hello.py run --people Ada,Grace
    platform run flows/hello/hello.py -p people=Ada,Grace

The first greeting fails once and is tried again, so that a run shows what a retry looks like.
"""

from metaflow import FlowSpec, Parameter, card, current, retry, step


class Hello(FlowSpec):
    people = Parameter("people", default="Ada,Grace,Katherine", help="names, separated by commas")

    @step
    def start(self):
        self.names = [name.strip() for name in self.people.split(",")]
        self.next(self.greet, foreach="names")

    @retry(times=2, minutes_between_retries=0)
    @step
    def greet(self):
        if self.index == 0 and current.retry_count == 0:
            raise ConnectionError("the first try fails on purpose; the retry greets")
        self.greeting = f"Hello, {self.input}!"
        print(self.greeting)
        self.next(self.show)

    @card(type="blank")
    @step
    def show(self, greeted):
        from metaflow.cards import Markdown, Table

        greetings = [[one.greeting] for one in greeted]
        current.card.append(Markdown("# Greetings"))
        current.card.append(Table(greetings))
        self.headline = f"{len(greetings)} greeted"
        self.next(self.end)

    @step
    def end(self):
        print(self.headline)


if __name__ == "__main__":
    Hello()
