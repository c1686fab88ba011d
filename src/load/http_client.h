// HTTP/1.1 as a client, without TLS: many exchanges at once on one thread, each with a bound in time and in bytes.
// Nothing of the library shows here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wan::load {

/// http://HOST[:PORT][/BASE]
struct Url {
  std::string host, port = "80", base;  // base without a slash at its end

  /// Of a Host header.
  std::string authority() const;
};

/// Throws Error(kUsage) for anything else; https needs a proxy, and the message says so.
Url parse_url(std::string_view text);

struct HttpBounds {
  double exchange_s = 30;                      // from the connection to the answer's last byte
  double silence_s = 120;                      // of an answer that goes on
  uint64_t answer_bytes = uint64_t{64} << 20;  // of a body
  uint64_t message_bytes = uint64_t{4} << 20;  // of one message of a websocket
  uint32_t header_bytes = 16384;
};

struct HttpAsk {
  std::string method = "GET", path;  // behind the URL's base
  std::string content_type, body;
};

/// `status` 0: there is no answer, and `problem` says why.
struct HttpAnswer {
  int status = 0;
  std::string body, problem;
  bool is_unreachable = false;  // the connection failed or broke; else what came is no answer, or too much
};

class HttpClient {
 public:
  /// `headers`: that every request has.
  HttpClient(Url url, HttpBounds bounds, std::vector<std::pair<std::string, std::string>> headers);
  /// Ends every connection.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  double now_s() const;

  /// What is called back is called by `run_until`. An exchange has a number, by which it can be ended without another
  /// word.
  using Number = uint64_t;
  Number ask(HttpAsk ask, std::function<void(HttpAnswer)> done);
  /// Pieces of an answer's body as they come. `done`: at its end, or at once where the status is not 200; its body is
  /// that of a refusal.
  Number stream(HttpAsk ask, std::function<void(std::string_view)> piece, std::function<void(HttpAnswer)> done);
  /// Texts of a websocket; binary messages are passed over. `open`: once, when it is there. `done`: at its end.
  Number listen(const std::string& path, std::function<void()> open, std::function<void(std::string)> text,
                std::function<void(HttpAnswer)> done);
  Number after(double seconds, std::function<void()> then);
  void forget(Number number);

  /// Calls back what happens, until `until_s`, or until `interrupt` is called by something that is called back.
  void run_until(double until_s);
  void interrupt();

  struct State;  // known in http_client.cpp alone

 private:
  std::unique_ptr<State> state_;
};

/// Throws Error(kUsage) in builds without Boost.
void require_http_client();

}  // namespace wan::load
