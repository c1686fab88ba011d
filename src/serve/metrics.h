// What Prometheus reads at /metrics: text format 0.0.4.
#pragma once

#include <string>

#include "serve/http_server.h"
#include "serve/service.h"

namespace wan::serve {

std::string metrics_text(const VideoService& service, const HttpCounts& http);

}  // namespace wan::serve
