"""Pages with a program behind them: a picture is looked for in a map, two frames are compared."""
