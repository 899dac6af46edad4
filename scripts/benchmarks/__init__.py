"""What can be measured, one module a name.

The rule: a module of this package that has `run(report, options)` is a benchmark by its own name;
its docstring's first line says what it measures. Any other module is a help to those.
"""
