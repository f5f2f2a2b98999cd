"""The stub of the extension module says what the module has, and everything that the package shows has a docstring."""

import ast
import inspect
import os
import unittest

import tideway
from tideway import _tideway


def names_of_stub():
    path = os.path.join(os.path.dirname(tideway.__file__), "_tideway.pyi")
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    names = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names[node.name] = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = set()
        elif isinstance(node, ast.AnnAssign):
            names[node.target.id] = set()
    return names


def public(names):
    return {name for name in names if not name.startswith("_")}


class Stub(unittest.TestCase):

    def test_the_stub_has_the_modules_names(self):
        stub = names_of_stub()
        self.assertEqual(public(stub), public(vars(_tideway)))
        for name, methods in stub.items():
            if inspect.isclass(getattr(_tideway, name)) and \
                    not issubclass(getattr(_tideway, name), Exception):
                self.assertEqual(public(methods), public(vars(getattr(_tideway, name))), name)

    def test_what_the_package_shows_is_documented(self):
        for name in tideway.__all__:
            shown = getattr(tideway, name)
            if inspect.isclass(shown) and not issubclass(shown, Exception) and \
                    shown.__module__ != _tideway.__name__:
                self.assertTrue(inspect.getdoc(shown), name)
                for method, value in vars(shown).items():
                    if not method.startswith("_") and (inspect.isfunction(value) or
                                                       isinstance(value, property)):
                        self.assertTrue(inspect.getdoc(value), f"{name}.{method}")

    def test_the_package_has_its_librarys_version(self):
        self.assertRegex(tideway.__version__, r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main()
