"""The contract with every keyword of JSON Schema, served in Python."""

from keywords import Keywords, One
from plugline import Plugin


class Echo(Keywords):
    def echo(self, *, one: One) -> One:
        return one


Plugin("keywords-python", version="0.1.0").provide(Echo).run()
