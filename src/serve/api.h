// The routes: what each path and method does, and the one shape of every refusal.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "serve/api_keys.h"
#include "serve/http_server.h"
#include "serve/service.h"

namespace wan::serve {

class Api final : public HttpHandler {
 public:
  /// All must outlive it. `own_names`: what a Host header may name where no keys are needed, beside this machine's own.
  /// `counts`: of the HTTP server, once there is one.
  Api(VideoService& service, const ApiKeys& keys, std::vector<std::string> own_names);
  void use_counts(std::function<HttpCounts()> counts) { counts_ = std::move(counts); }

  std::optional<HttpResponse> refuse(const HttpHead& head) override;
  uint64_t body_limit(const HttpHead& head) override;
  HttpResponse answer(const HttpRequest& request) override;
  HttpResponse refusal(int status, const std::string& message) override;

 private:
  HttpResponse route(const HttpRequest& request);
  HttpResponse create(const HttpRequest& request);
  HttpResponse list(const HttpHead& head);
  HttpResponse of_video(const HttpHead& head, const std::string& id, const std::string& what);
  HttpResponse content(const HttpHead& head, const std::string& id);
  HttpResponse preview(const std::string& id);
  HttpResponse events(const std::string& id);
  HttpResponse ready();
  HttpResponse metrics();
  HttpResponse refused(const class ApiError& error);
  int64_t retry_after_s() const;

  VideoService& service_;
  const ApiKeys& keys_;
  std::vector<std::string> own_names_;
  std::function<HttpCounts()> counts_;
};

}  // namespace wan::serve
