"""The forms that our queries have. Each gives finite values from the second scrape on, with or without traffic."""

WINDOW = "$__rate_interval"  # Grafana makes it at least four steps long, and longer when a panel shows days


def rate(metric: str, where: str = "", by: str = "") -> str:
    return f"{_over(by)} (rate({selected(metric, where)}[{WINDOW}]))"


def increase(metric: str, where: str = "", by: str = "") -> str:
    """A count within the window: easier to read than a rate where anything but 0 is news."""
    return f"{_over(by)} (increase({selected(metric, where)}[{WINDOW}]))"


def seen(metric: str, where: str, by: str, ordinary: str) -> str:
    """Rates of what has happened at all, and of the ordinary value of `by`: many exist from the start, and most of them
    stay at 0 for ever."""
    totals = f"{_over(by)} ({selected(metric, where)})"
    usual = f'{_over(by)} ({metric}{{{by}="{ordinary}"}})'
    return f"{rate(metric, where, by)} and ({totals} > 0 or {usual})"


def quantile(share: float, metric: str, where: str = "") -> str:
    """Of a histogram, over all workers. 0 while nothing happens: its NaN would read as "no data"."""
    buckets = rate(f"{metric}_bucket", where, "le")
    return f"histogram_quantile({share:g}, {buckets}) >= 0 or vector(0)"


def quantile_by(share: float, metric: str, where: str, by: str, ordinary: str) -> str:
    """The same for each value of a label that was seen."""
    buckets = rate(f"{metric}_bucket", where, f"le, {by}")
    idle = seen(f"{metric}_count", where, by, ordinary)
    return f"histogram_quantile({share:g}, {buckets}) >= 0 or 0 * ({idle})"


def or_zero(expr: str) -> str:
    """For a single series that begins with the first event."""
    return f"{expr} or vector(0)"


def or_none(expr: str, by: str) -> str:
    """For series that begin with the first event: until then one that says so. `on ()`: any series keeps it away."""
    return f'{expr} or on () label_replace(vector(0), "{by}", "none", "", "")'


def selected(metric: str, where: str) -> str:
    return f"{metric}{{{where}}}" if where else metric


def _over(by: str) -> str:
    return f"sum by ({by})" if by else "sum"
