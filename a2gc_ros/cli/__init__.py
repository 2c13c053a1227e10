"""The ``a2gc`` command: one file per verb."""
