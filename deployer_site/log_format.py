"""One line per record: what is printed can be searched, counted and shipped line by line."""

import logging
import time


class OneLine(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        # The rows of ^ under the lines of a traceback say nothing once they stand beside them.
        return " | ".join(line.strip() for line in lines if line.strip(" ^~"))
