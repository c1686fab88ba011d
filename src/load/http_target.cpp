#include "load/http_target.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace wan::load {
namespace {

constexpr double kLook = 0.1;                                // seconds after which a wish to stop is noticed
constexpr int kMostTroubles = 5, kMostStrangeEvents = 1000;  // in a row
// Servers bound their connections (ours has 256, of which 64 are streams), and a load may have thousands of requests
// under way: no more orders than this are sent at once, and no more streams are listened to.
constexpr int kMostAtOnce = 32;
constexpr size_t kMostHeardEarly = 1000;
constexpr size_t kMostEvent = size_t{4} << 20;  // bytes of one server-sent event

bool is_good(const HttpAnswer& answer) { return answer.status >= 200 && answer.status < 300; }

}  // namespace

HttpTarget::HttpTarget(HttpClient& client, const Adapter& adapter, const HttpTargetOptions& options,
                       std::function<bool()> stopped)
    : client_(client), adapter_(adapter), options_(options), stopped_(std::move(stopped)) {}

HttpAnswer HttpTarget::answer_to(const HttpAsk& ask) {
  std::optional<HttpAnswer> answer;
  client_.ask(ask, [&](HttpAnswer came) {
    answer = std::move(came);
    client_.interrupt();
  });
  while (!answer) {
    if (stopped_()) throw Error(ErrorKind::kInterrupted, "interrupted; nothing was sent");
    client_.run_until(client_.now_s() + kLook);
  }
  return std::move(*answer);
}

ServerFacts HttpTarget::probe() {
  const HttpAnswer answer = answer_to(adapter_.about());
  require(answer.status != 0, fmt::format("--target: {}", answer.problem), ErrorKind::kRuntime);
  require(answer.status != 401 && answer.status != 403,
          fmt::format("--target: the server answers {}: give its key by --api-key-file", adapter_.refusal(answer)),
          ErrorKind::kRuntime);
  open_socket();
  if (!is_good(answer)) return {};
  try {
    return adapter_.facts(answer.body);
  } catch (const Error&) {
    return {};  // what it says of itself is nothing that a load needs
  }
}

std::string HttpTarget::watch_power() {
  const std::optional<HttpAsk> ask = adapter_.power();
  if (!ask) return "this kind of server tells no power";
  const HttpAnswer answer = answer_to(*ask);
  if (!is_good(answer)) return fmt::format("the server's metrics cannot be read ({})", adapter_.refusal(answer));
  if (!adapter_.watts(answer.body)) return "the server tells no power of a card";
  read_power();
  return "";
}

void HttpTarget::read_power() {
  client_.ask(*adapter_.power(), [this](const HttpAnswer& answer) {
    if (const std::optional<double> watts = is_good(answer) ? adapter_.watts(answer.body) : std::nullopt) {
      Event event = event_of(Event::Kind::kPower, 0);
      event.watts = *watts;
      push(std::move(event));
    }
    client_.after(options_.power_s, [this] { read_power(); });
  });
}

Event HttpTarget::event_of(Event::Kind kind, size_t request) const {
  Event event;
  event.kind = kind;
  event.request = request;
  event.at_s = client_.now_s();
  return event;
}

void HttpTarget::push(Event event) {
  events_.push_back(std::move(event));
  client_.interrupt();
}

void HttpTarget::submit(size_t request, const Order& order) {
  jobs_[request];
  unsent_.emplace_back(request, order);
  send_orders();
}

void HttpTarget::send_orders() {
  while (ordering_ < kMostAtOnce && !unsent_.empty()) {
    const auto [request, order] = std::move(unsent_.front());
    unsent_.pop_front();
    Job& job = jobs_.at(request);
    job.is_being_ordered = true;
    ++ordering_;
    job.exchange = client_.ask(adapter_.order(order),
                               [this, number = request](const HttpAnswer& answer) { on_order(number, answer); });
  }
}

/// It is no more among those that are being ordered or listened to.
void HttpTarget::leave_line(Job& job) {
  ordering_ -= job.is_being_ordered ? 1 : 0;
  listening_ -= job.is_listened_to ? 1 : 0;
  job.is_being_ordered = job.is_listened_to = false;
}

std::optional<Event> HttpTarget::wait(double until_s) {
  send_orders();  // in the places of those that were given up
  while (events_.empty()) {
    const double now = client_.now_s();
    if (now >= until_s || stopped_()) return std::nullopt;
    client_.run_until(std::min(until_s, now + kLook));
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

namespace {

JobView running() {
  JobView view;
  view.state = JobView::State::kRunning;
  return view;
}

}  // namespace

void HttpTarget::on_order(size_t request, const HttpAnswer& answer) {
  Job& job = jobs_.at(request);
  job.exchange.reset();
  leave_line(job);
  send_orders();
  if (answer.status == 0)
    return end(request, answer.is_unreachable ? LoadEnd::kUnreachable : LoadEnd::kBadAnswer, answer.problem);
  if (!is_good(answer)) return end(request, LoadEnd::kRefused, adapter_.refusal(answer));
  try {
    job.handle = adapter_.taken_in(answer.body);
    by_id_[job.handle.id] = request;
    const JobView view = adapter_.first_view(job.handle, answer.body);
    Event accepted = event_of(Event::Kind::kAccepted, request);
    accepted.told = view.told;
    push(std::move(accepted));
    const bool is_heard = heard_early_.erase(job.handle.id) > 0;
    if (ordering_ == 0) heard_early_.clear();
    if (is_heard) on_view(request, running(), StartKnown::kEvents);
    on_view(request, view, StartKnown::kPolls);
  } catch (const Error& problem) {
    return end(request, LoadEnd::kBadAnswer, problem.what());
  }
  if (jobs_.contains(request)) follow(request);
}

void HttpTarget::follow(size_t request) {
  const Job& job = jobs_.at(request);
  const std::optional<HttpAsk> ask = adapter_.events(job.handle);
  if (ask && !job.has_no_events && listening_ < kMostAtOnce)
    listen(request, *ask);
  else
    poll_later(request);
}

void HttpTarget::listen(size_t request, const HttpAsk& ask) {
  Job& job = jobs_.at(request);
  job.is_listened_to = true;
  ++listening_;
  job.exchange = client_.stream(
      ask, [this, request](std::string_view piece) { take_events(request, piece); },
      [this, request](const HttpAnswer&) {  // it broke off or was refused
        Job& left = jobs_.at(request);
        leave_line(left);
        left.exchange.reset();
        left.troubles = 0;
        left.has_no_events = true;
        poll_later(request);
      });
}

/// Events end with an empty line; of their lines only data counts here.
void HttpTarget::take_events(size_t request, std::string_view piece) {
  Job& job = jobs_.at(request);
  std::string text = std::move(job.text);
  text += piece;
  size_t done = 0;
  for (size_t edge = text.find("\n\n"); edge != std::string::npos; edge = text.find("\n\n", done)) {
    const std::string event = text.substr(done, edge - done);
    done = edge + 2;
    constexpr std::string_view kData = "data: ";
    const size_t data = event.starts_with(kData) ? 0 : event.find("\ndata: ");
    if (data == std::string::npos) continue;
    const size_t begin = data == 0 ? kData.size() : data + 1 + kData.size();
    try {
      on_view(request, adapter_.view(job.handle, event.substr(begin, event.find('\n', begin) - begin)),
              StartKnown::kEvents);
      if (!jobs_.contains(request)) return;
      job.troubles = 0;
    } catch (const Error& problem) {  // of something else: the end of the stream leads to asking
      if (++job.troubles >= kMostStrangeEvents) return end(request, LoadEnd::kBadAnswer, problem.what());
    }
  }
  job.text = text.substr(done);
  if (job.text.size() > kMostEvent) end(request, LoadEnd::kBadAnswer, "an event of the server has no end");
}

void HttpTarget::poll_later(size_t request) {
  Job& job = jobs_.at(request);
  // With a websocket an end is heard at once: asking is for what it may have missed, or for what an end left behind.
  const double seconds = job.over_at_s              ? options_.poll_s / 5
                         : socket_ == Socket::kOpen ? 10 * options_.poll_s
                                                    : options_.poll_s;
  // Of those that wait until their events can be heard, all together are asked for as often as the ones before them.
  const bool waits_to_listen = !job.has_no_events && adapter_.events(job.handle).has_value();
  const double turns =
      waits_to_listen ? std::max(1.0, static_cast<double>(jobs_.size()) / static_cast<double>(kMostAtOnce)) : 1;
  job.exchange = client_.after(turns * seconds, [this, request] { poll(request); });
}

void HttpTarget::poll(size_t request) {
  Job& job = jobs_.at(request);
  job.exchange =
      client_.ask(adapter_.look(job.handle), [this, request](const HttpAnswer& answer) { on_look(request, answer); });
}

void HttpTarget::on_look(size_t request, const HttpAnswer& answer) {
  Job& job = jobs_.at(request);
  job.exchange.reset();
  std::string trouble = answer.status == 0 ? answer.problem : adapter_.refusal(answer);
  bool is_read = false;
  if (is_good(answer)) {
    try {
      on_view(request, adapter_.view(job.handle, answer.body), StartKnown::kPolls);
      is_read = true;
    } catch (const Error& problem) {
      trouble = problem.what();
    }
  }
  if (!jobs_.contains(request)) return;
  job.troubles = is_read ? 0 : job.troubles + 1;
  if (job.troubles >= kMostTroubles)
    return end(request, answer.is_unreachable ? LoadEnd::kUnreachable : LoadEnd::kBadAnswer, trouble);
  follow(request);
}

void HttpTarget::on_view(size_t request, const JobView& view, StartKnown how) {
  Job& job = jobs_.at(request);
  if (view.state == JobView::State::kRunning && !job.is_started) {
    job.is_started = true;
    Event event = event_of(Event::Kind::kStarted, request);
    event.how = how;
    event.told = view.told;
    push(std::move(event));
  }
  if (view.state == JobView::State::kCompleted) end(request, LoadEnd::kCompleted, "", view.told);
  if (view.state == JobView::State::kFailed) end(request, LoadEnd::kFailed, view.detail, view.told);
  if (view.state == JobView::State::kCancelled) end(request, LoadEnd::kCancelled, "", view.told);
}

void HttpTarget::end(size_t request, LoadEnd how, const std::string& detail, const Told& told) {
  Event event = event_of(Event::Kind::kEnded, request);
  event.end = how;
  event.at_s = jobs_.at(request).over_at_s.value_or(event.at_s);
  event.detail = detail;
  event.told = told;
  push(std::move(event));
  const auto job = jobs_.find(request);
  // The server may go on with what nobody can follow any more.
  if (how == LoadEnd::kBadAnswer || how == LoadEnd::kUnreachable) cancel(job->second.handle);
  by_id_.erase(job->second.handle.id);
  if (job->second.exchange) client_.forget(*job->second.exchange);
  leave_line(job->second);
  jobs_.erase(job);
}

void HttpTarget::cancel(const JobHandle& handle) {
  if (handle.id.empty()) return;
  for (const HttpAsk& ask : adapter_.cancel(handle)) {
    ++cancelling_;
    client_.ask(ask, [this](const HttpAnswer&) {
      --cancelling_;
      client_.interrupt();
    });
  }
}

void HttpTarget::give_up(size_t request) {
  std::erase_if(events_,
                [&](const Event& event) { return event.kind != Event::Kind::kPower && event.request == request; });
  const auto job = jobs_.find(request);
  if (job == jobs_.end()) return;
  if (job->second.exchange) client_.forget(*job->second.exchange);
  cancel(job->second.handle);
  by_id_.erase(job->second.handle.id);
  leave_line(job->second);
  std::erase_if(unsent_, [&](const auto& one) { return one.first == request; });
  jobs_.erase(job);
}

void HttpTarget::flush() {
  constexpr double kPatience = 1;
  const double until = client_.now_s() + kPatience;
  while (cancelling_ > 0 && client_.now_s() < until) client_.run_until(until);
}

void HttpTarget::open_socket() {
  const std::optional<std::string> path = adapter_.socket();
  if (!path) return;
  socket_ = Socket::kOpening;
  client_.listen(
      *path,
      [this] {
        socket_ = Socket::kOpen;
        client_.interrupt();
      },
      [this](const std::string& text) { on_message(text); },
      [this](const HttpAnswer&) {
        socket_ = Socket::kNone;  // what is under way is asked for from now on
        client_.interrupt();
      });
  while (socket_ == Socket::kOpening && !stopped_()) client_.run_until(client_.now_s() + kLook);
}

void HttpTarget::on_message(const std::string& text) {
  const std::optional<Adapter::Message> message = adapter_.message(text);
  const auto found = message ? by_id_.find(message->id) : by_id_.end();
  if (found == by_id_.end()) {
    // Of an order whose answer is still on its way, it may be.
    if (message && message->state == JobView::State::kRunning && ordering_ > 0 && heard_early_.size() < kMostHeardEarly)
      heard_early_.insert(message->id);
    return;
  }
  const size_t request = found->second;
  Job& job = jobs_.at(request);
  if (message->state == JobView::State::kRunning) return on_view(request, running(), StartKnown::kEvents);
  if (job.over_at_s) return;  // said before
  job.over_at_s = client_.now_s();
  if (job.exchange) client_.forget(*job.exchange);
  poll(request);
}

}  // namespace wan::load
