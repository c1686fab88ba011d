#include "load/driver.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <utility>

#include "base/error.h"

namespace wan::load {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr size_t kMostDetail = 200;

/// Whole microseconds: what a client's clock can mean.
double rounded(double seconds) { return std::round(std::max(0.0, seconds) * 1e6) / 1e6; }

/// One level while it runs.
class Level {
 public:
  Level(const LevelPlan& plan, Target& target, const Driver::OrderOf& order_of)
      : plan_(plan), target_(target), order_of_(order_of), begin_s_(target.now_s()) {
    result_.level.mode = plan.mode;
    result_.level.rate = plan.rate;
    if (is_closed()) {
      result_.level.concurrency = plan.concurrency;
      result_.level.scenario = plan.scenario;
      free_since_.assign(static_cast<size_t>(plan.concurrency), 0.0);
    }
  }

  bool is_over() const { return under_way_.empty() && next_due() == kNever; }

  void send_what_is_due() {
    while (next_due() <= now() && (is_closed() || under_way_.size() < static_cast<size_t>(plan_.most_at_once))) send();
  }

  void time_out() {
    while (!under_way_.empty() && under_way_.front().limit_s <= now()) {
      const size_t request = under_way_.front().request;
      target_.give_up(request);
      Event event;
      event.request = request;
      event.at_s = target_.now_s();
      event.end = LoadEnd::kTimedOut;
      take(event);
    }
  }

  /// Until when there is nothing to do, by the target's clock.
  double wait_until() const {
    const bool may_send = is_closed() || under_way_.size() < static_cast<size_t>(plan_.most_at_once);
    const double due = may_send ? next_due() : kNever;
    const double limit = under_way_.empty() ? kNever : under_way_.front().limit_s;
    return begin_s_ + std::min(due, limit);
  }

  void take(Event& event) {
    if (event.kind == Event::Kind::kPower) {
      if (result_.level.power.size() < kMostLoadReadings)
        result_.level.power.push_back({rounded(event.at_s - begin_s_), event.watts});
      return;
    }
    LoadRequest& request = result_.level.requests.at(event.request);
    const double at_s = std::max(rounded(event.at_s - begin_s_), request.sent_s);
    if (event.kind == Event::Kind::kAccepted) {
      request.accepted_s = at_s;
      request.queue_position = event.told.queue_position;
    } else if (event.kind == Event::Kind::kStarted) {
      request.started_s = at_s;
      request.start_known = event.how;
    } else {
      end(request, event, std::max(at_s, request.started_s.value_or(0)));
    }
    if (event.told.expected_s) request.expected_s = event.told.expected_s;
  }

  void give_up_all() {
    for (const UnderWay& one : under_way_) target_.give_up(one.request);
  }

  LevelResult take_result() { return std::move(result_); }

 private:
  struct UnderWay {
    size_t request = 0;
    double limit_s = 0;
  };

  bool is_closed() const { return plan_.mode == LoadMode::kClosed; }
  double now() const { return target_.now_s() - begin_s_; }

  /// When the next request is to be sent; of a closed load only while one may be.
  double next_due() const {
    const size_t sent = result_.level.requests.size();
    if (!is_closed()) return sent < plan_.arrivals.size() ? plan_.arrivals[sent] : kNever;
    if (free_since_.empty() || sent >= kMostLoadRequests) return kNever;
    const auto measured = static_cast<int64_t>(sent) - plan_.warm_up;
    if (plan_.length.requests && measured >= *plan_.length.requests) return kNever;
    const bool is_past =
        plan_.length.duration_s && measured > 0 && free_since_.front() - measured_since_ >= *plan_.length.duration_s;
    return is_past ? kNever : free_since_.front();
  }

  void send() {
    const size_t number = result_.level.requests.size();
    LoadRequest& request = result_.level.requests.emplace_back();
    request.intended_s = rounded(next_due_of(number));
    request.warm_up = static_cast<int64_t>(number) < plan_.warm_up;
    if (static_cast<int64_t>(number) == plan_.warm_up) measured_since_ = request.intended_s;
    auto [order, prompt] = order_of_(number);
    request.prompt = prompt;
    request.sent_s = std::max(rounded(now()), request.intended_s);
    request.end = LoadEnd::kUnreachable;  // until something is known
    under_way_.push_back({number, request.sent_s + plan_.request_limit_s});
    target_.submit(number, order);
  }

  /// The same as next_due, once the request is counted; a closed one takes the place that was free for longest.
  double next_due_of(size_t number) {
    if (!is_closed()) return plan_.arrivals[number];
    const double since = free_since_.front();
    free_since_.pop_front();
    return since;
  }

  void end(LoadRequest& request, Event& event, double at_s) {
    request.end = event.end;
    request.ended_s = at_s;
    request.detail = event.detail.substr(0, kMostDetail);
    request.inference_s = event.told.inference_s;
    request.energy_j = event.told.energy_j;
    request.price = event.told.price;
    request.stages = std::move(event.told.stages);
    // Where nothing was pushed, the server's own word of how long it took is sharper than when it was asked.
    if (request.inference_s && request.start_known != StartKnown::kEvents && request.end == LoadEnd::kCompleted) {
      request.started_s = std::max(request.sent_s, rounded(at_s - *request.inference_s));
      request.start_known = StartKnown::kServer;
    }
    std::erase_if(under_way_, [&](const UnderWay& one) { return one.request == event.request; });
    if (is_closed()) free_a_place(event.end, at_s);
    if (!event.told.currency.empty()) result_.last.currency = event.told.currency;
    if (!event.told.why_no_energy.empty()) result_.last.why_no_energy = event.told.why_no_energy;
    if (!event.told.why_no_price.empty()) result_.last.why_no_price = event.told.why_no_price;
  }

  /// A client that was turned away does not come back at once.
  void free_a_place(LoadEnd how, double at_s) {
    constexpr double kPauseSeconds = 1;
    const bool was_turned_away = how == LoadEnd::kRefused || how == LoadEnd::kUnreachable || how == LoadEnd::kBadAnswer;
    const double since = at_s + (was_turned_away ? kPauseSeconds : 0);
    free_since_.insert(std::ranges::upper_bound(free_since_, since), since);
  }

  const LevelPlan& plan_;
  Target& target_;
  const Driver::OrderOf& order_of_;
  double begin_s_, measured_since_ = 0;
  std::deque<UnderWay> under_way_;  // in the order in which they were sent, so of their limits too
  std::deque<double> free_since_;   // of a closed load: places without a request
  LevelResult result_;
};

}  // namespace

Driver::Driver(Target& target, OrderOf order_of, std::function<bool()> stopped)
    : target_(target), order_of_(std::move(order_of)), stopped_(std::move(stopped)) {}

LevelResult Driver::run(const LevelPlan& plan) {
  Level level(plan, target_, order_of_);
  while (!level.is_over()) {
    if (stopped_()) {
      level.give_up_all();
      throw Error(ErrorKind::kInterrupted, "interrupted; the requests under way were given up");
    }
    level.time_out();
    level.send_what_is_due();
    if (level.is_over()) break;
    if (std::optional<Event> event = target_.wait(level.wait_until())) level.take(*event);
  }
  return level.take_result();
}

std::vector<PowerReading> Driver::idle(double seconds) {
  const double begin = target_.now_s();
  std::vector<PowerReading> readings;
  while (target_.now_s() < begin + seconds && !stopped_())
    if (const std::optional<Event> event = target_.wait(begin + seconds); event && event->kind == Event::Kind::kPower)
      readings.push_back({rounded(event->at_s - begin), event->watts});
  return readings;
}

}  // namespace wan::load
