// A server with one place and a queue before it, under a clock that jumps from event to event.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "load/target.h"

namespace wan::load {

class SimulatedServer final : public Target {
 public:
  /// `service`: how long the next request takes. `stall`: a begin and an end between which nothing goes on.
  explicit SimulatedServer(std::function<double()> service, std::pair<double, double> stall = {-1, -1})
      : service_(std::move(service)), stall_(stall) {}

  double now_s() override { return now_; }

  void submit(size_t request, const Order&) override {
    add(Event::Kind::kAccepted, request, now_);
    const double begin = std::max(now_, free_at_);
    double end = std::max(begin, begin >= stall_.first ? stall_.second : begin) + service_();
    if (begin < stall_.first && end > stall_.first) end += stall_.second - stall_.first;
    free_at_ = end;
    add(Event::Kind::kStarted, request, begin);
    add(Event::Kind::kEnded, request, end);
  }

  std::optional<Event> wait(double until_s) override {
    const auto first = events_.begin();
    if (first == events_.end() || first->at_s > until_s) {
      now_ = until_s;
      return std::nullopt;
    }
    Event event = *first;
    events_.erase(first);
    now_ = std::max(now_, event.at_s);
    return event;
  }

  void give_up(size_t request) override {
    std::erase_if(events_, [&](const Event& event) { return event.request == request; });
  }

 private:
  struct Earlier {
    bool operator()(const Event& a, const Event& b) const { return a.at_s < b.at_s; }
  };

  void add(Event::Kind kind, size_t request, double at_s) {
    Event event;
    event.kind = kind;
    event.request = request;
    event.at_s = at_s;
    event.how = StartKnown::kEvents;
    events_.insert(std::move(event));
  }

  std::function<double()> service_;
  std::pair<double, double> stall_;
  double now_ = 0, free_at_ = 0;
  std::multiset<Event, Earlier> events_;  // equal ones in the order in which they came
};

}  // namespace wan::load
