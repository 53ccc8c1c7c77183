"""Tests of the plugin, within this process: python3 -m unittest."""

import json
import unittest
from pathlib import Path
from typing import Any

from plugin import plugin
from plugline import RemoteError
from plugline.testing import check_examples, start


class TestPlugin(unittest.TestCase):
    def test_it_greets_as_its_config_says(self) -> None:
        with start(plugin, config={"greeting": "Moo"}) as running:
            self.assertEqual(running.call("my_plugin.hello", {"name": "Ada"}), "Moo, Ada!")

    def test_its_examples_are_true(self) -> None:
        check_examples(plugin)

    def test_it_refuses_what_it_cannot_use(self) -> None:
        with start(plugin) as running, self.assertRaises(RemoteError) as caught:
            running.call("my_plugin.hello", {})
        self.assertEqual(caught.exception.code, -32602)

    def test_the_contract_is_what_the_document_says(self) -> None:
        """If not: plugline describe --format json --command "python3 plugin.py" > contract.openrpc.json"""
        document: Any = json.loads(Path(__file__).with_name("contract.openrpc.json").read_text("utf-8"))
        with start(plugin) as running:
            self.assertEqual(running.manifest(), document)


if __name__ == "__main__":
    unittest.main()
