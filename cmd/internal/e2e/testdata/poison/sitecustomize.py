"""Python imports this at its start: a server of graphscore tastes every batch before it scores it, see kinds.py."""

import importlib.abc
import importlib.machinery
import sys

ENGINE = "graphscore._engines.scipy_engine"


class Poisoner(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the engine as it is, and then puts the taster before its method score."""

    def find_spec(self, name, path, target=None):
        if name != ENGINE:
            return None
        self.real = importlib.machinery.PathFinder.find_spec(name, path, target)
        return importlib.machinery.ModuleSpec(name, self, origin=self.real.origin)

    def exec_module(self, module):
        module.__file__ = self.real.origin
        self.real.loader.exec_module(module)
        from kinds import taste

        score = module.ScipyEngine.score

        def tasted(engine, batch):
            taste(batch.features)
            return score(engine, batch)

        module.ScipyEngine.score = tasted


if "serve" in sys.orig_argv:
    sys.meta_path.insert(0, Poisoner())
