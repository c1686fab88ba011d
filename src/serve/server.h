// `wanbench serve` as a whole: the service, its routes and its socket, until a signal ends them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "serve/http_server.h"
#include "serve/service.h"

namespace wan::serve {

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // 0: one that is free
  std::filesystem::path api_keys;
  std::vector<std::string> own_names;  // that a Host header may name without keys
  double drain_s = 600;                // how long a signal lets the videos go on that are being made
  HttpLimits http;
  ServiceOptions service;
};

/// Throws Error(kUsage) unless this build has an HTTP server, saying how to get one.
void require_server();

/// Throws Error(kUsage) for an address that others reach without API keys.
void require_safe(const ServerOptions& options);

/// Serves until SIGINT or SIGTERM, then takes no video in and lets those that are being made end; a second signal, or
/// the time, gives them up, and they are queued. `listening` is told the URL once a connection is taken. Returns the
/// signal. Throws Error.
int run_server(const ServerOptions& options, const std::function<void(const std::string& url)>& listening);

}  // namespace wan::serve
