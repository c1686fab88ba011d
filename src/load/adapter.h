// How a kind of server is asked for a video and what its answers mean: texts in, texts out, no connection.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/http_client.h"
#include "load/target.h"

namespace wan::load {

/// By which a server knows a request that it took in.
struct JobHandle {
  std::string id, path;  // where its state is looked up
};

struct JobView {
  enum class State { kQueued, kRunning, kCompleted, kFailed, kCancelled };
  State state = State::kQueued;
  std::string detail;  // of one that failed
  Told told;
  bool is_over() const { return state != State::kQueued && state != State::kRunning; }
};

struct ServerFacts {
  std::string model, server;
};

/// Throw Error(kInput) where a text is not what the server is known to say.
class Adapter {
 public:
  virtual ~Adapter() = default;
  /// On what servers it was run, or "never run against the real server".
  virtual std::string tried() const = 0;
  /// Where it says what it is, and what that means. What it says of itself may be nothing.
  virtual HttpAsk about() const = 0;
  virtual ServerFacts facts(const std::string& body) const = 0;
  /// Throws Error(kUsage) where the order asks for what would not reach the server.
  virtual void require_takes(const Order& order) const;
  virtual HttpAsk order(const Order& order) const = 0;
  virtual JobHandle taken_in(const std::string& body) const = 0;
  /// What the answer to an order says of it, where it says anything.
  virtual JobView first_view(const JobHandle&, const std::string&) const { return {}; }
  virtual HttpAsk look(const JobHandle& job) const { return {"GET", job.path, "", ""}; }
  virtual JobView view(const JobHandle& job, const std::string& body) const = 0;
  virtual std::vector<HttpAsk> cancel(const JobHandle& job) const = 0;

  /// Server-sent events, each of them a body for `view`.
  virtual std::optional<HttpAsk> events(const JobHandle&) const { return std::nullopt; }

  /// A websocket that tells of all jobs.
  virtual std::optional<std::string> socket() const { return std::nullopt; }
  struct Message {
    std::string id;
    JobView::State state;  // an end is looked up
  };
  virtual std::optional<Message> message(const std::string&) const { return std::nullopt; }

  /// Where the power of its cards is read, and the sum of them in watts.
  virtual std::optional<HttpAsk> power() const { return std::nullopt; }
  virtual std::optional<double> watts(const std::string&) const { return std::nullopt; }

  /// "429 queue_full" of an answer that refuses.
  virtual std::string refusal(const HttpAnswer& answer) const;
};

struct AdapterOptions {
  std::string workflow;  // of comfyui: the text of a workflow in API format
};

/// "wanbench", "videos", ...
std::vector<std::string> adapter_names();

/// Throws Error(kUsage) for another name, or where an option is missing.
std::unique_ptr<Adapter> make_adapter(std::string_view name, const AdapterOptions& options);

}  // namespace wan::load
