// HTTP/1.1 over TCP, without TLS: every connection, header, body and answer has a bound in bytes and in time. Routes
// are a handler's; nothing of the library shows here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "serve/http_message.h"

namespace wan::serve {

struct HttpLimits {
  int threads = 4;                                // that read, write and answer what reads
  int slow_threads = 2;                           // that answer what changes something: the disk is waited for
  int connections = 256;                          // at once; one more is told so and closed
  int streams = 64;                               // of them, that are answers which go on
  uint32_t header_bytes = 16384;                  // of a request's line and headers
  uint64_t body_bytes = uint64_t{512} << 20;      // of all bodies that are being read, together
  std::chrono::milliseconds header_time{10'000};  // from a connection, or an answer on it, to the next request's end
  std::chrono::milliseconds body_time{10'000};    // and a second more for each 64 KiB that are announced
  std::chrono::milliseconds write_time{30'000};   // for each piece of an answer to be taken
  std::chrono::milliseconds heartbeat{10'000};    // a stream is asked at least so often
};

/// What a request is answered with. Called from several threads at once; what it throws is answered with 500.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// Before any of the body is read: an answer that needs none of it, or nothing.
  virtual std::optional<HttpResponse> refuse(const HttpHead& head) = 0;
  /// How long the body may be.
  virtual uint64_t body_limit(const HttpHead& head) = 0;
  virtual HttpResponse answer(const HttpRequest& request) = 0;
  /// For what the protocol itself refuses: 400, 413, 417, 431, 500, 503.
  virtual HttpResponse refusal(int status, const std::string& message) = 0;
};

/// What went over the sockets, for the metrics.
struct HttpCounts {
  int64_t connections = 0, streams = 0;                        // now
  int64_t requests = 0, refused_connections = 0, cut_off = 0;  // since the start; cut off: by a bound in time
};

class HttpServer {
 public:
  /// Listens from then on. `port` 0: one that is free. Throws Error(kUsage) naming the address that cannot be used.
  HttpServer(const std::string& address, uint16_t port, HttpHandler& handler, const HttpLimits& limits = {});
  /// Ends every connection.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  /// Every stream is asked what it has to say now. From any thread.
  void wake_streams();
  HttpCounts counts() const;

  struct State;  // known in http_server.cpp alone

 private:
  std::unique_ptr<State> state_;
};

}  // namespace wan::serve
