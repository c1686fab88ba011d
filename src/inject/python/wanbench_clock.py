"""When the stages of a program begin and end: edges that are CUDA events once CUDA is in use, read when they have passed, so
that a stage on the card ends where its work ends and not where the host has queued it. No edge waits but the first."""
import collections
import sys
import time


class Edge:
    """An instant between stages: when the host came by; `time_ns` once it is known when the device did."""

    __slots__ = ("host_ns", "event", "time_ns")

    def __init__(self, host_ns, event=None):
        self.host_ns = host_ns
        self.event = event
        self.time_ns = None


class Clock:
    """Edges, and their times on CLOCK_MONOTONIC in the order they were made.

    Device time is chained from event to event, since one span over a long run exceeds a float's digits. An event cannot
    pass before it was recorded, which bounds the drift between the two clocks from one side.
    """

    def __init__(self):
        self.coming = collections.deque()  # edges whose events have not been seen to pass
        self.event = None  # the last one that has, and its time; none before the first stage on the card
        self.event_ns = 0
        self.latest_ns = 0

    def edge(self):
        host_ns = time.monotonic_ns()
        edge = Edge(host_ns, self._event())
        if edge.event is None and not self.coming:
            edge.time_ns = self.latest_ns = max(self.latest_ns, host_ns)
        else:
            self.coming.append(edge)
        return edge

    def _event(self):
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_initialized() or torch.cuda.is_current_stream_capturing():
            return None
        if self.event is None:  # the one wait: it ties the device's clock to the host's
            self.event = self._recorded(torch)
            self.event.synchronize()
            self.event_ns = time.monotonic_ns()
        return self._recorded(torch)

    @staticmethod
    def _recorded(torch):
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _passed_ns(self, event):
        return self.event_ns + round(self.event.elapsed_time(event) * 1e6)

    def resolve(self, wait=False):
        """Times of the edges that have passed; with `wait`, of all."""
        while self.coming:
            edge = self.coming[0]
            time_ns = edge.host_ns
            if edge.event is not None:
                if wait:
                    edge.event.synchronize()
                elif not edge.event.query():
                    return
                time_ns = max(time_ns, self._passed_ns(edge.event))
                self.event, self.event_ns = edge.event, time_ns
            edge.time_ns = self.latest_ns = max(self.latest_ns, time_ns)
            self.coming.popleft()

    def drift_ns(self):
        """How far the chain is off the host's clock at least, once all edges are resolved; 0 where the host cannot tell."""
        before_ns = time.monotonic_ns()
        last = self._recorded(sys.modules["torch"])
        last.synchronize()
        after_ns = time.monotonic_ns()
        passed_ns = self._passed_ns(last)
        return passed_ns - min(max(passed_ns, before_ns), after_ns)
