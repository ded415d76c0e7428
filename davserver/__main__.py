"""`python -m davserver`: the command line."""

from davserver.cli import main

main()
