// A server that is reached over HTTP, through the adapter of its kind.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "load/adapter.h"
#include "load/http_client.h"
#include "load/target.h"

namespace wan::load {

struct HttpTargetOptions {
  double poll_s = 0.25;  // how often a server that pushes nothing is asked
  double power_s = 0.5;  // how often its cards' power is read, where it tells it
};

class HttpTarget final : public Target {
 public:
  /// `stopped`: whether somebody asked to stop; waiting then ends within a tenth of a second.
  HttpTarget(HttpClient& client, const Adapter& adapter, const HttpTargetOptions& options,
             std::function<bool()> stopped);

  /// What it is. Throws Error(kRuntime) where it cannot be reached or wants another key.
  ServerFacts probe();
  /// Reads power from now on. Returns why not, or nothing.
  std::string watch_power();

  double now_s() override { return client_.now_s(); }
  void submit(size_t request, const Order& order) override;
  std::optional<Event> wait(double until_s) override;
  void give_up(size_t request) override;
  /// Waits for what was told to be given up to be heard, a second at most.
  void flush();

 private:
  struct Job {
    JobHandle handle;
    bool is_being_ordered = false, is_listened_to = false, has_no_events = false;
    std::optional<HttpClient::Number> exchange;
    std::string text;  // of server-sent events, what is not yet a whole one
    bool is_started = false;
    std::optional<double> over_at_s;  // when the websocket said so; what it came to is looked up then
    int troubles = 0;                 // looks in a row without an answer that can be read
  };

  void push(Event event);
  Event event_of(Event::Kind kind, size_t request) const;
  void send_orders();
  void leave_line(Job& job);
  void on_order(size_t request, const HttpAnswer& answer);
  void follow(size_t request);
  void listen(size_t request, const HttpAsk& ask);
  void take_events(size_t request, std::string_view piece);
  void poll_later(size_t request);
  void poll(size_t request);
  void on_look(size_t request, const HttpAnswer& answer);
  void on_view(size_t request, const JobView& view, StartKnown how);
  void end(size_t request, LoadEnd end, const std::string& detail, const Told& told = {});
  void cancel(const JobHandle& handle);
  void open_socket();
  void on_message(const std::string& text);
  void read_power();
  HttpAnswer answer_to(const HttpAsk& ask);

  HttpClient& client_;
  const Adapter& adapter_;
  HttpTargetOptions options_;
  std::function<bool()> stopped_;
  std::deque<Event> events_;
  std::map<size_t, Job> jobs_;
  std::map<std::string, size_t> by_id_;
  std::set<std::string> heard_early_;  // ids of no known job that began, while orders are under way
  enum class Socket { kNone, kOpening, kOpen };
  Socket socket_ = Socket::kNone;
  std::deque<std::pair<size_t, Order>> unsent_;  // submitted while enough orders were under way
  int ordering_ = 0, listening_ = 0;             // jobs that are being ordered, and whose events are heard
  int cancelling_ = 0;                           // asked for and not yet answered
};

}  // namespace wan::load
