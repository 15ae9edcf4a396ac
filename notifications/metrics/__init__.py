"""Metrics: how much, how long, how many now. Losing them harms nothing, so nothing ever waits for them."""

from notifications.metrics.names import METRICS, Kind, Metric, UndeclaredMetric
from notifications.metrics.sending import begin, count, process_name, timing, wanted

__all__ = ["METRICS", "Kind", "Metric", "UndeclaredMetric", "begin", "count", "process_name", "timing", "wanted"]
