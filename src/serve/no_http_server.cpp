// Stands in for the HTTP server in builds without Boost.Beast: says so instead.
#include "base/error.h"
#include "serve/http_server.h"
#include "serve/server.h"

namespace wan::serve {

struct HttpServer::State {};

void require_server() {
  throw Error(ErrorKind::kUsage,
              "this build has no HTTP server, because Boost's headers were not found when it was configured: install "
              "libboost-dev (tools/bootstrap.sh does), configure and build again");
}

HttpServer::HttpServer(const std::string&, uint16_t, HttpHandler&, const HttpLimits&) { require_server(); }
HttpServer::~HttpServer() = default;
uint16_t HttpServer::port() const { return 0; }
void HttpServer::wake_streams() {}
HttpCounts HttpServer::counts() const { return {}; }

}  // namespace wan::serve
