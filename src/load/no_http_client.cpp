// Stands in for the HTTP client in builds without Boost.Beast: says so instead.
#include "base/error.h"
#include "load/http_client.h"

namespace wan::load {

struct HttpClient::State {};

void require_http_client() {
  throw Error(ErrorKind::kUsage,
              "this build has no HTTP client, because Boost's headers were not found when it was configured: install "
              "libboost-dev (tools/bootstrap.sh does), configure and build again");
}

HttpClient::HttpClient(Url, HttpBounds, std::vector<std::pair<std::string, std::string>>) { require_http_client(); }
HttpClient::~HttpClient() = default;
double HttpClient::now_s() const { return 0; }
HttpClient::Number HttpClient::ask(HttpAsk, std::function<void(HttpAnswer)>) { return 0; }
HttpClient::Number HttpClient::stream(HttpAsk, std::function<void(std::string_view)>, std::function<void(HttpAnswer)>) {
  return 0;
}
HttpClient::Number HttpClient::listen(const std::string&, std::function<void()>, std::function<void(std::string)>,
                                      std::function<void(HttpAnswer)>) {
  return 0;
}
HttpClient::Number HttpClient::after(double, std::function<void()>) { return 0; }
void HttpClient::forget(Number) {}
void HttpClient::run_until(double) {}
void HttpClient::interrupt() {}

}  // namespace wan::load
