from collections.abc import Iterator

from plugline import Call, Plugin

plugin = Plugin("show", version="0.1.0", provides={"show": "1.0.0"})

@plugin.host_method("show.ask")
def ask(question: str) -> str: ...  # type: ignore[empty-body]

@plugin.method("show.hello")
def hello(name: str) -> str:
    return f"Hello, {name}!"

@plugin.method("show.count")
def count(n: int) -> Iterator[int]:
    yield from range(n)

@plugin.method("show.wait")
def wait(seconds: float, call: Call) -> None:
    call.sleep(seconds)

@plugin.method("show.consult", errors="any")
def consult(question: str, call: Call) -> str:
    return ask(call, question=question)

plugin.run()
